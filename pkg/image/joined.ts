import { untilAborted } from './until-aborted.ts';

/**
 * Runs one operation per key, however many callers want it. Each caller may leave at any time; the
 * operation is aborted when the last one has gone, and who comes after that starts a new one.
 */
export class Joined<Key, Result> {
  readonly #running = new Map<Key, Operation<Result>>();
  readonly #unsettled = new Set<Promise<unknown>>();

  /** Rejects with the signal's reason when it aborts, without waiting for the operation to wind up. */
  async run(
    key: Key,
    start: (signal: AbortSignal) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result> {
    signal.throwIfAborted();
    const operation = this.#running.get(key) ?? this.#start(key, start);
    operation.callers += 1;
    try {
      return await untilAborted(operation.result, signal);
    } finally {
      operation.callers -= 1;
      if (operation.callers === 0) {
        this.#forget(key, operation);
        operation.controller.abort(signal.reason);
      }
    }
  }

  /** Aborts what runs, and waits until all of it, also what nobody waits for any more, has ended. */
  async close(): Promise<void> {
    for (const { controller } of this.#running.values()) controller.abort();
    await Promise.all(this.#unsettled);
  }

  #start(key: Key, start: (signal: AbortSignal) => Promise<Result>): Operation<Result> {
    const controller = new AbortController();
    const result = start(controller.signal);
    const operation = { controller, result, callers: 0 };
    this.#running.set(key, operation);
    const settled = Promise.allSettled([result]).finally(() => {
      this.#forget(key, operation);
      this.#unsettled.delete(settled);
    });
    this.#unsettled.add(settled);
    return operation;
  }

  #forget(key: Key, operation: Operation<Result>): void {
    if (this.#running.get(key) === operation) this.#running.delete(key);
  }
}

type Operation<Result> = {
  readonly controller: AbortController;
  readonly result: Promise<Result>;
  callers: number;
};
