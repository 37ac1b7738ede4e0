import { afterEach, expect, it, vi } from 'vitest';
import type { TestCalls } from './testdata/test-worker.ts';
import { WorkerPool } from './worker-pool.ts';

const never = new AbortController().signal;
const pools: WorkerPool<TestCalls>[] = [];

function pool(
  options: Partial<ConstructorParameters<typeof WorkerPool>[0]> = {},
): WorkerPool<TestCalls> {
  const made = new WorkerPool<TestCalls>({
    script: new URL('testdata/test-worker.ts', import.meta.url),
    maxWorkers: 2,
    callsPerWorker: 1,
    idleMs: 60_000,
    ...options,
  });
  pools.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(pools.splice(0).map((each) => each.close()));
});

it('WorkerPool starts no more threads than allowed, and uses them again', async () => {
  const workers = pool();
  const calls = Array.from({ length: 6 }, (_, n) => workers.call('thread', n, never));
  const threads = new Set((await Promise.all(calls)).map(([id]) => id));
  expect(threads.size).toBe(2);
});

it('WorkerPool hands on the code and the words of a Fault', async () => {
  const failed = pool().call('fail', 'no such thing', never);
  await expect(failed).rejects.toMatchObject({ code: 'not-found', message: 'look: no such thing' });
});

it('WorkerPool rejects what a dying thread was at, and goes on with another', async () => {
  const workers = pool({ maxWorkers: 1 });
  const dying = workers.call('exit', undefined, never);
  const queued = workers.call('thread', 1, never);
  await expect(dying).rejects.toMatchObject({ code: 'internal' });
  await queued;
  await expect(workers.call('crash', undefined, never)).rejects.toThrow('ended while at work');
});

it('WorkerPool stops synchronous and asynchronous work, and forgets what waits', async () => {
  const workers = pool({ maxWorkers: 1 });
  for (const name of ['spin', 'wait'] as const) {
    const stop = new AbortController();
    const working = new Int32Array(new SharedArrayBuffer(4));
    const running = workers.call(name, working, stop.signal);
    const queued = workers.call('thread', 1, stop.signal);
    await Atomics.waitAsync(working, 0, 0).value;
    stop.abort();
    await expect(queued).rejects.toMatchObject({ code: 'cancelled' });
    expect(await running).toBe('stopped');
  }
});

it('WorkerPool ends idle threads', async () => {
  const workers = pool({ idleMs: 1, maxWorkers: 1 });
  const [first] = await workers.call('thread', 1, never);
  await vi.waitFor(async () => {
    const [another] = await workers.call('thread', 1, never);
    expect(another).not.toBe(first);
  }, 20_000);
});

it('WorkerPool tells everything to stop when it is closed, and starts nothing more', async () => {
  const workers = pool({ maxWorkers: 1 });
  const working = new Int32Array(new SharedArrayBuffer(4));
  const calls = [workers.call('spin', working, never), workers.call('thread', 1, never)];
  const settled = Promise.allSettled(calls);
  await Atomics.waitAsync(working, 0, 0).value;
  await workers.close();
  expect(await settled).toMatchObject([{ value: 'stopped' }, { reason: { code: 'cancelled' } }]);
  await expect(workers.call('thread', 1, never)).rejects.toMatchObject({ code: 'cancelled' });
});
