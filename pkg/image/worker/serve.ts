import { parentPort } from 'node:worker_threads';
import { describe, type FaultCode, faultCode } from '#errors/fault.ts';

/** What a worker thread can be asked to do. Arguments and results are copied between the threads. */
export type Calls = Readonly<Record<string, (argument: never, caller: Caller) => unknown>>;

/** Whether the result is still wanted. */
export type Caller = {
  /** For asynchronous work. */
  readonly signal: AbortSignal;
  /** For synchronous work, during which no message arrives. */
  readonly isGone: () => boolean;
};

export type Request =
  | {
      readonly kind: 'call';
      readonly id: number;
      readonly name: string;
      readonly argument: unknown;
      /** One number, which becomes 1 when the caller has gone. */
      readonly gone: Int32Array;
    }
  | { readonly kind: 'abort'; readonly id: number };

export type Reply =
  | { readonly id: number; readonly kind: 'result'; readonly result: unknown }
  | {
      readonly id: number;
      readonly kind: 'fault';
      readonly code: FaultCode;
      readonly message: string;
    };

/** Answers the calls of a WorkerPool, in the worker. */
export function serve(calls: Calls): void {
  const running = new Map<number, AbortController>();
  parentPort?.on('message', (request: Request) => {
    if (request.kind === 'abort') return running.get(request.id)?.abort();
    const { id, gone } = request;
    const controller = new AbortController();
    running.set(id, controller);
    const caller = { signal: controller.signal, isGone: () => Atomics.load(gone, 0) !== 0 };
    const reply = answer(calls, request, caller).finally(() => running.delete(id));
    void reply.then((message) => parentPort?.postMessage(message));
  });
}

async function answer(
  calls: Calls,
  { id, name, argument }: Extract<Request, { kind: 'call' }>,
  caller: Caller,
): Promise<Reply> {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- WorkerPool checks the arguments
    const call = calls[name] as ((argument: unknown, caller: Caller) => unknown) | undefined;
    return { id, kind: 'result', result: await call?.(argument, caller) };
  } catch (error) {
    return { id, kind: 'fault', code: faultCode(error), message: describe(error) };
  }
}
