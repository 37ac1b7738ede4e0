import { Fault } from '#errors/fault.ts';

const growing = 0;
const complete = 1;
const stopped = 2;

/** How often a waiting thread looks whether its own work is still wanted. */
const recheckMs = 100;

/**
 * How much of a file has been written, shared between the thread that downloads it and those that
 * read it meanwhile. The bytes themselves stay in the page cache.
 */
export class DownloadProgress {
  readonly shared: SharedArrayBuffer;
  readonly #bytes: BigInt64Array;
  /** Counts every change: what waiting threads sleep on. */
  readonly #changes: Int32Array;
  readonly #state: Int32Array;

  /** Without `shared`, from another thread's, the progress of a download that has not begun. */
  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(16)) {
    this.shared = shared;
    this.#bytes = new BigInt64Array(shared, 0, 1);
    this.#changes = new Int32Array(shared, 8, 1);
    this.#state = new Int32Array(shared, 12, 1);
  }

  /** How much has been written. */
  get bytes(): number {
    return Number(Atomics.load(this.#bytes, 0));
  }

  advanceTo(bytes: number): void {
    Atomics.store(this.#bytes, 0, BigInt(bytes));
    this.#wake();
  }

  /** The file has its last byte. */
  complete(): void {
    Atomics.compareExchange(this.#state, 0, growing, complete);
    this.#wake();
  }

  /** No more bytes will come; readers fail. Means nothing once the file is complete. */
  stop(): void {
    Atomics.compareExchange(this.#state, 0, growing, stopped);
    this.#wake();
  }

  #wake(): void {
    Atomics.add(this.#changes, 0, 1);
    Atomics.notify(this.#changes, 0);
  }

  /**
   * Blocks the thread until the file has `bytes` bytes or its last one; returns how many it has.
   * Throws `cancelled` when the download stops, or when `isCancelled` says so.
   */
  waitFor(bytes: number, isCancelled: () => boolean): number {
    for (;;) {
      const changes = Atomics.load(this.#changes, 0);
      const state = Atomics.load(this.#state, 0);
      const written = this.bytes;
      if (state === stopped) throw new Fault('cancelled', 'the download stopped');
      if (isCancelled()) throw new Fault('cancelled', 'no longer wanted');
      if (state === complete || written >= bytes) return written;
      Atomics.wait(this.#changes, 0, changes, recheckMs);
    }
  }
}
