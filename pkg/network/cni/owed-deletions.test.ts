import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createLog } from '#log/log.ts';
import { OwedDeletions } from './owed-deletions.ts';

let lines: string[];
let tries: string[];
let failures: number;
let owed: OwedDeletions;

beforeEach(() => {
  vi.useFakeTimers();
  lines = [];
  tries = [];
  failures = 0;
  owed = new OwedDeletions(
    async (id) => {
      tries.push(id);
      await Promise.resolve();
      if (failures-- > 0) throw new Error('not yet');
    },
    createLog('info', (line) => lines.push(line)),
  );
});

afterEach(() => {
  vi.useRealTimers();
});

it('OwedDeletions tries again at longer and longer intervals until it succeeds', async () => {
  failures = 3;
  await expect(owed.attempt('a')).rejects.toThrow('not yet');
  expect(owed.isOwed('a')).toBe(true);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(tries).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1_999);
  expect(tries).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(tries).toHaveLength(3);
  await vi.advanceTimersByTimeAsync(4_000);
  expect(tries).toHaveLength(4);
  expect(owed.isOwed('a')).toBe(false);
  // Of the first failure the caller learnt.
  expect(lines).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(tries).toHaveLength(4);
});

it('OwedDeletions tries at least once a minute, however often it failed', async () => {
  failures = 1000;
  owed.begin('a');
  await vi.advanceTimersByTimeAsync(600_000);
  const before = tries.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(tries).toHaveLength(before + 1);
});

it('OwedDeletions tries at once when it is asked, and all who ask share one try', async () => {
  failures = 1;
  await expect(owed.attempt('a')).rejects.toThrow('not yet');
  await Promise.all([owed.attempt('a'), owed.attempt('a'), owed.attempt('b')]);
  expect(tries).toEqual(['a', 'a', 'b']);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(tries).toHaveLength(3);
});

it('OwedDeletions tries a limited number at a time for nobody who waits, and others at once', async () => {
  const running = Promise.withResolvers<void>();
  const started: string[] = [];
  const slow = new OwedDeletions(
    async (id) => {
      started.push(id);
      await running.promise;
    },
    createLog('error', () => {}),
  );
  const ids = Array.from({ length: 40 }, (_, index) => `${index}`);
  for (const id of ids) slow.begin(id);
  await vi.advanceTimersByTimeAsync(0);
  expect(started).toHaveLength(16);
  expect(ids.every((id) => slow.isOwed(id))).toBe(true);
  void slow.attempt('39');
  expect(started.at(-1)).toBe('39');
  running.resolve();
  await vi.advanceTimersByTimeAsync(0);
  expect(started.toSorted()).toEqual(ids.toSorted());
});

it('OwedDeletions tries nothing once it is closed', async () => {
  failures = 1000;
  owed.begin('a');
  await vi.advanceTimersByTimeAsync(0);
  owed.close();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(tries).toHaveLength(1);
});
