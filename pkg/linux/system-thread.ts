import { Worker } from 'node:worker_threads';
import { Fault } from '#errors/fault.ts';
import { type Call, fromPlainError, type Reply } from './system-thread-message.ts';
import type { Operations } from './system-thread-operations.ts';

/**
 * A thread of its own for system calls that block, or that act on the calling thread: the main thread
 * must neither wait for the kernel nor be seen in another namespace.
 */
export type SystemThread = {
  /** Runs one operation, after those asked for before it. Rejects with the operation's own error. */
  run<Name extends keyof Operations>(
    name: Name,
    argument: Operations[Name]['argument'],
  ): Promise<Operations[Name]['result']>;
  /** Resolves when what was asked for is done and the thread has ended. */
  close(): Promise<void>;
};

/** Starts the thread. Should it ever die, those who wait get an error, and the next call a new one. */
export function openSystemThread(): SystemThread {
  let current = new CallLine();
  let isClosed = false;
  return {
    run: async (name, argument) => {
      if (isClosed) throw new Fault('unavailable', `run "${name}": the system thread is closed`);
      if (!current.isServing) current = new CallLine();
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the worker performs `name`
      return (await current.ask({ name, argument } as Call)) as Operations[typeof name]['result'];
    },
    close: () => {
      isClosed = true;
      return current.end();
    },
  };
}

/** The thread needs a few MiB; a leak in it shall end it, not the daemon. */
const resourceLimits = { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };

/** One worker, from its start to its end, and those who wait for it, in the order of asking. */
class CallLine {
  readonly #worker = new Worker(new URL('./system-thread-worker.ts', import.meta.url), {
    resourceLimits,
    // Descriptors are handed from one operation to another; each has an owner that closes it.
    trackUnmanagedFds: false,
  });
  readonly #waiting: PromiseWithResolvers<unknown>[] = [];
  readonly #ended = Promise.withResolvers<void>();
  #failure: unknown;
  isServing = true;

  constructor() {
    this.#worker.unref();
    this.#worker.on('message', (reply: Reply) => this.#settle(reply));
    this.#worker.on('error', (error) => {
      this.#failure = error;
    });
    this.#worker.on('exit', () => this.#die());
  }

  ask(call: Call): Promise<unknown> {
    const waiter = Promise.withResolvers<unknown>();
    this.#waiting.push(waiter);
    this.#worker.ref();
    this.#worker.postMessage(call);
    return waiter.promise;
  }

  end(): Promise<void> {
    this.#worker.ref();
    this.#worker.postMessage('end');
    return this.#ended.promise;
  }

  #settle(reply: Reply): void {
    const waiter = this.#waiting.shift();
    if (this.#waiting.length === 0) this.#worker.unref();
    if (reply.kind === 'done') return waiter?.resolve(reply.result);
    if (reply.isStranded) this.isServing = false;
    waiter?.reject(fromPlainError(reply.error));
  }

  #die(): void {
    this.isServing = false;
    for (const waiter of this.#waiting.splice(0)) {
      waiter.reject(new Fault('unavailable', 'the system thread ended', { cause: this.#failure }));
    }
    this.#ended.resolve();
  }
}
