import { once } from 'node:events';
import { threadId } from 'node:worker_threads';
import { Fault } from '#errors/fault.ts';
import { type Caller, serve } from '#image/worker/serve.ts';

const calls = {
  thread: (argument: number): [thread: number, argument: number] => [threadId, argument],
  fail: (reason: string): never => {
    throw new Fault('not-found', 'look', { cause: new Error(reason) });
  },
  exit: (): never => process.exit(3),
  crash: (): Promise<never> => {
    setImmediate(() => {
      throw new Error('nobody catches this');
    });
    return new Promise(() => {});
  },
  /** Works without a pause until it is told to stop. */
  spin: (working: Int32Array, { isGone }: Caller): string => {
    started(working);
    while (!isGone());
    return 'stopped';
  },
  wait: async (working: Int32Array, { signal }: Caller): Promise<string> => {
    started(working);
    await once(signal, 'abort');
    return 'stopped';
  },
};
export type TestCalls = typeof calls;

function started(working: Int32Array): void {
  Atomics.store(working, 0, 1);
  Atomics.notify(working, 0);
}

serve(calls);
