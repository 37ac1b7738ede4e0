import type { SystemThread } from './system-thread.ts';

type Waiter = PromiseWithResolvers<void> & { readonly dir: string };

/**
 * Detaches what is mounted below directories, in the system thread. Reading the mounts of a node takes
 * milliseconds when it has hundreds of pods, so whoever asks while some are being detached waits, and
 * then all of them are served at once.
 */
export class Unmounter {
  readonly #thread: SystemThread;
  #waiting: Waiter[] = [];
  #isWorking = false;

  constructor(thread: SystemThread) {
    this.#thread = thread;
  }

  /** Detaches all that is mounted at and below `dir`, so that removing it removes nothing else. */
  unmountUnder(dir: string): Promise<void> {
    const waiter = { dir, ...Promise.withResolvers<void>() };
    this.#waiting.push(waiter);
    if (!this.#isWorking) void this.#work();
    return waiter.promise;
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    while (this.#waiting.length > 0) await this.#serve(this.#waiting.splice(0));
    this.#isWorking = false;
  }

  async #serve(waiters: readonly Waiter[]): Promise<void> {
    try {
      const dirs = waiters.map(({ dir }) => dir);
      const problems = await this.#thread.run('unmountUnder', dirs);
      for (const [index, { dir, resolve, reject }] of waiters.entries()) {
        const problem = problems[index];
        if (problem === undefined) resolve();
        else reject(new Error(`unmount what is below "${dir}": ${problem}`));
      }
    } catch (error) {
      for (const { reject } of waiters) reject(error);
    }
  }
}
