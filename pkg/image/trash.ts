import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '#errors/fault.ts';
import type { Log } from '#log/log.ts';
import type { TrashCalls } from './trash-worker.ts';
import { WorkerPool } from './worker/worker-pool.ts';

/**
 * Takes away files and directory trees at once, and deletes them in a thread of its own when it gets
 * to it: deleting a large image takes seconds.
 */
export class Trash {
  readonly #directory: string;
  readonly #log: Log;
  readonly #closing = new AbortController();
  readonly #workers: WorkerPool<TrashCalls>;
  #isFull = false;
  #emptying: Promise<void> = Promise.resolve();

  /** `directory` must be on the filesystem of all that will be thrown into it. */
  constructor(directory: string, options: { readonly log: Log; readonly workerIdleMs: number }) {
    this.#directory = directory;
    this.#log = options.log;
    this.#workers = new WorkerPool({
      script: new URL('./trash-worker.ts', import.meta.url),
      maxWorkers: 1,
      callsPerWorker: 1,
      idleMs: options.workerIdleMs,
    });
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (readdirSync(directory).length > 0) this.#emptySoon();
  }

  /** When it returns, nothing is at `path` any more; succeeds also when nothing was. */
  discard(path: string): void {
    try {
      renameSync(path, join(this.#directory, randomUUID()));
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return;
      throw error;
    }
    this.#emptySoon();
  }

  /** Stops deleting; what is left is for the next start. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#workers.close();
    await this.#emptying;
  }

  #emptySoon(): void {
    if (this.#isFull) return;
    this.#isFull = true;
    this.#emptying = this.#emptying.then(() => this.#empty());
  }

  async #empty(): Promise<void> {
    this.#isFull = false;
    const directory = this.#directory;
    try {
      await this.#workers.call('empty', directory, this.#closing.signal);
    } catch (error) {
      if (!this.#closing.signal.aborted)
        this.#log.warn({ path: directory, error }, 'empty the trash');
    }
  }
}
