import { stage } from '#trace/span.ts';

/** One holder per key, in order of asking: `using _held = await locks.hold(id)`. */
export class KeyedLock<Key> {
  readonly #tails = new Map<Key, Promise<void>>();

  /** Waits for the holders before; the lock is released when the returned value is disposed of. */
  async hold(key: Key): Promise<Disposable> {
    const before = this.#tails.get(key);
    const { promise: tail, resolve: release } = Promise.withResolvers<void>();
    this.#tails.set(key, tail);
    if (before !== undefined) await stage('lock', () => before);
    return {
      [Symbol.dispose]: () => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
        release();
      },
    };
  }
}
