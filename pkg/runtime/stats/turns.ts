import { setImmediate as nextTurn } from 'node:timers/promises';

const turnMs = 2;

/** For long work on the main thread in small pieces: others get their turn every few milliseconds. */
export class Turns {
  #since = performance.now();

  /** To be called between two pieces. */
  async next(): Promise<void> {
    if (performance.now() - this.#since < turnMs) return;
    await nextTurn();
    this.#since = performance.now();
  }
}
