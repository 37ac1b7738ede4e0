import { expect, it, vi } from 'vitest';
import { createLog } from '#log/log.ts';
import { RootfsUsages, type RootfsUsagesDeps } from './rootfs-usage.ts';

/** Answers with the number of its call, when told to. */
function open() {
  const calls: { readonly directory: string; readonly answer: (inodes: number) => void }[] = [];
  const call = async (_name: string, { directory }: { readonly directory: string }) => {
    const { promise, resolve } = Promise.withResolvers<number>();
    calls.push({ directory, answer: resolve });
    return { usedBytes: 4096, inodes: await promise };
  };
  const usages = new RootfsUsages({
    threads: { call } as unknown as RootfsUsagesDeps['threads'],
    log: createLog('error', () => {}),
    writtenBy: (id) => ({ directory: id }),
  });
  return { usages, calls };
}

it('RootfsUsages measures only what is asked for, one at a time', async () => {
  const { usages, calls } = open();
  usages.begin('one');
  expect(usages.of('one')).toMatchObject({ usedBytes: 0, inodes: 0 });
  expect(usages.of('two')).toBe(undefined);
  expect(usages.of('two')).toBe(undefined);
  expect(calls.map(({ directory }) => directory)).toEqual(['one']);
  calls[0]?.answer(7);
  await expect.poll(() => usages.of('one')?.inodes).toBe(7);
  await expect.poll(() => calls.map(({ directory }) => directory)).toEqual(['one', 'two']);
  calls[1]?.answer(8);
  await expect.poll(() => usages.of('two')?.inodes).toBe(8);
  // Both are fresh: nothing more to do.
  await usages.close();
  expect(calls).toHaveLength(2);
});

it('RootfsUsages leaves out what has done nothing since it was measured', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const { usages, calls } = open();
    usages.of('one', 5);
    calls[0]?.answer(7);
    await expect.poll(() => usages.of('one', 5)?.inodes).toBe(7);
    vi.advanceTimersByTime(60_000);
    usages.of('one', 5);
    expect(calls).toHaveLength(1);
    usages.of('one', 6);
    await expect.poll(() => calls.length).toBe(2);
    calls[1]?.answer(8);
    await expect.poll(() => usages.of('one', 6)?.inodes).toBe(8);
    vi.advanceTimersByTime(600_000);
    usages.of('one', 6);
    await expect.poll(() => calls.length).toBe(3);
    calls[2]?.answer(9);
    await usages.close();
  } finally {
    vi.useRealTimers();
  }
});

it('RootfsUsages forgets a container that goes while it is measured', async () => {
  const { usages, calls } = open();
  usages.of('one');
  usages.forget('one');
  calls[0]?.answer(7);
  await usages.close();
  expect(usages.of('one')).toBe(undefined);
});

it('RootfsUsages goes on measuring when the clock is set back', async () => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] });
  try {
    const { usages, calls } = open();
    usages.of('one', 5);
    calls[0]?.answer(7);
    await expect.poll(() => usages.of('one', 5)?.inodes).toBe(7);
    vi.setSystemTime(Date.now() - 3_600_000);
    vi.advanceTimersByTime(20_000);
    usages.of('one', 6);
    await expect.poll(() => calls.length).toBe(2);
    calls[1]?.answer(8);
    await usages.close();
  } finally {
    vi.useRealTimers();
  }
});
