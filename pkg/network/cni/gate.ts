/**
 * Lets many in at a time, or one alone. The one alone waits for a moment when nobody is in, and does
 * not keep others from entering while it waits: somebody who is stuck inside delays nobody else.
 */
export class Gate {
  #inside = 0;
  #alone: Promise<void> | undefined;
  #emptied: PromiseWithResolvers<void> | undefined;

  /** Inside until the returned value is disposed of. */
  async enter(): Promise<Disposable> {
    while (this.#alone !== undefined) await this.#alone;
    this.#inside++;
    return {
      [Symbol.dispose]: () => {
        this.#inside--;
        if (this.#inside > 0) return;
        this.#emptied?.resolve();
        this.#emptied = undefined;
      },
    };
  }

  /** Runs `work` with nobody else inside. */
  async alone<Result>(work: () => Promise<Result>): Promise<Result> {
    for (;;) {
      if (this.#alone !== undefined) await this.#alone;
      else if (this.#inside > 0) {
        this.#emptied ??= Promise.withResolvers();
        await this.#emptied.promise;
      } else break;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#alone = promise;
    try {
      return await work();
    } finally {
      this.#alone = undefined;
      resolve();
    }
  }
}
