import { History } from './history.ts';
import { runOperation, type Span } from './span.ts';
import type { TraceContext } from './traceparent.ts';

/** A call of the daemon from its beginning to its end. */
export type Operation = Span & {
  readonly id: string;
  /** What it is about, such as `containerId`. */
  readonly attributes: Readonly<Record<string, string>>;
  /** The caller's trace, if it has one. */
  readonly context?: TraceContext;
};

type Beginning = Pick<Operation, 'id' | 'name'> & { readonly context?: TraceContext | undefined };

/** Knows the operations that go on, and remembers those that ended. */
export class Tracer {
  readonly #running = new Set<Operation>();
  readonly #history = new History();
  readonly #listeners = new Set<(operation: Operation) => void>();

  /** Runs `work` as an operation: what it calls `stage` for becomes a part of it. */
  operation<Result>(beginning: Beginning, work: () => Promise<Result>): Promise<Result>;
  operation({ id, name, context }: Beginning, work: () => unknown): unknown {
    return runOperation({ id, name, ...(context && { context }) }, work, {
      began: (operation) => this.#running.add(operation),
      ended: (operation) => this.#end(operation),
    });
  }

  /** Calls `listener` with each operation that has ended, until the returned value is disposed of. */
  onEnd(listener: (operation: Operation) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** Those that go on, the oldest first. */
  running(): readonly Operation[] {
    return [...this.#running];
  }

  /** Some that ended last, of each name, the newest first. */
  latest(): readonly Operation[] {
    return this.#history.latest();
  }

  /** Those that took longest within the last hour, of each name, the slowest first. */
  slowest(): readonly Operation[] {
    return this.#history.slowest();
  }

  #end(operation: Operation): void {
    this.#running.delete(operation);
    this.#history.add(operation);
    for (const listener of this.#listeners) listener(operation);
  }
}
