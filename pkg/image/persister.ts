import type { Log } from '#log/log.ts';
import type { Snapshotter } from './snapshots/snapshotter.ts';

/** By then the kernel has written most of a new image on its own, and containers have started. */
const delayMs = 30_000;

/** For the end of the daemon: with a slow disk, images of the last half minute are not worth waiting for. */
const lastChanceMs = 5_000;

/** Has new snapshots written to the disk for certain, when nobody waits for the disk. */
export class Persister {
  readonly #snapshotters: readonly Snapshotter[];
  readonly #log: Log;
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(snapshotters: readonly Snapshotter[], log: Log) {
    this.#snapshotters = snapshotters;
    this.#log = log;
    // A daemon that was killed may have left some to be done.
    this.soon();
  }

  soon(): void {
    this.#timer ??= setTimeout(() => this.#start(), delayMs).unref();
  }

  /** Does at once what is due, for the end may be that of the machine. */
  async close(): Promise<void> {
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#start();
    }
    const patience = setTimeout(() => this.#closing.abort(), lastChanceMs);
    await this.#running;
    clearTimeout(patience);
  }

  #start(): void {
    this.#timer = undefined;
    this.#running = this.#running.then(() => this.#persist());
  }

  async #persist(): Promise<void> {
    try {
      for (const each of this.#snapshotters) await each.persist(this.#closing.signal);
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#log.warn({ error }, 'sync the snapshots');
    }
  }
}
