import { setTimeout as delay } from 'node:timers/promises';
import type { WorkerPool } from '#image/worker/worker-pool.ts';
import type { Log } from '#log/log.ts';
import type { Measured, MeasureRequest } from './measure.ts';
import type { MeasureCalls } from './measure-worker.ts';

/** What a container had written over its image at a moment, in milliseconds since the Unix epoch. */
export type RootfsUsage = Measured & { readonly measuredAtMs: number };

/**
 * Something that is another one whenever the container has done anything, such as the processor time that
 * it used: one that did nothing has written nothing.
 */
export type Activity = number | undefined;

type Known = RootfsUsage & {
  /**
   * When it is to be measured again, if anybody asks, and where nothing has happened since. By
   * `performance.now()`, since the node's clock may be set back.
   */
  readonly dueAtMs: number;
  readonly idleDueAtMs: number;
  /** Before it was measured. */
  readonly activity: Activity;
};

export type RootfsUsagesDeps = {
  readonly threads: Pick<WorkerPool<MeasureCalls>, 'call'>;
  readonly log: Log;
  /** What to measure of a container's files. */
  readonly writtenBy: (containerId: string) => MeasureRequest;
};

/** kubelet asks every 10 seconds and acts on what it sees twice. */
const freshMs = 20_000;
/** Others may have a hand in it: filesystems put off what they do, and operators copy files. */
const idleFreshMs = 600_000;
/** Of the time, the part that measuring may take: there may be millions of files. */
const dutyCycle = 1 / 20;

/**
 * Knows about what containers have written, without a look at their files when asked. They are measured
 * one after the other, in a thread that goes when it has done; and only those that somebody asks about.
 */
export class RootfsUsages {
  readonly #deps: RootfsUsagesDeps;
  readonly #known = new Map<string, Known>();
  /** With their activity when they were asked for. */
  readonly #queue = new Map<string, Activity>();
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;

  constructor(deps: RootfsUsagesDeps) {
    this.#deps = deps;
  }

  /** A new container has written nothing. */
  begin(containerId: string): void {
    const dueAtMs = performance.now();
    const due = { dueAtMs, idleDueAtMs: dueAtMs, measuredAtMs: Date.now() };
    this.#known.set(containerId, { usedBytes: 0, inodes: 0, activity: undefined, ...due });
  }

  /** The latest finding; undefined until there is one. An old one is replaced soon. */
  of(containerId: string, activity?: Activity): RootfsUsage | undefined {
    const known = this.#known.get(containerId);
    if (known === undefined || isDue(known, activity)) this.#measureSoon(containerId, activity);
    return known;
  }

  forget(containerId: string): void {
    this.#known.delete(containerId);
    this.#queue.delete(containerId);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  #measureSoon(containerId: string, activity: Activity): void {
    if (this.#closing.signal.aborted || this.#queue.has(containerId)) return;
    this.#queue.set(containerId, activity);
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined;
    });
  }

  async #work(): Promise<void> {
    const { signal } = this.#closing;
    for (const id of this.#queue.keys()) {
      const startedAt = performance.now();
      await this.#measure(id, signal);
      this.#queue.delete(id);
      const tookMs = performance.now() - startedAt;
      // An abort ends the rest as well as the loop.
      await delay(tookMs / dutyCycle - tookMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
    }
  }

  async #measure(id: string, signal: AbortSignal): Promise<void> {
    const { threads, log, writtenBy } = this.#deps;
    try {
      const measured = await threads.call('measure', writtenBy(id), signal);
      // It may have been forgotten meanwhile.
      if (!this.#queue.has(id)) return;
      const nowMs = performance.now();
      const due = { dueAtMs: nowMs + freshMs, idleDueAtMs: nowMs + idleFreshMs };
      const activity = this.#queue.get(id);
      this.#known.set(id, { ...measured, measuredAtMs: Date.now(), ...due, activity });
    } catch (error) {
      // Its files go with a container that is removed.
      if (!signal.aborted && this.#queue.has(id)) {
        log.debug({ containerId: id, error }, 'measure what a container has written');
      }
    }
  }
}

function isDue(known: Known, activity: Activity): boolean {
  const wasIdle = activity !== undefined && activity === known.activity;
  return performance.now() >= (wasIdle ? known.idleDueAtMs : known.dueAtMs);
}
