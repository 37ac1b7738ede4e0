import type { CgroupStats, StatsGroup, StatsReader } from 'cgroupfs-ts';
import { leafCgroup } from '#runtime/cgroup-path.ts';
import { now, type UnixNanos } from '#runtime/clock.ts';
import type { Cgroups } from '#runtime/engine.ts';
import type { EventLog } from '#runtime/events/event-log.ts';
import { CpuRate } from './cpu-rate.ts';

/** What the cgroup of a container or of a pod uses at a moment; without the groups not asked for. */
export type Reading = {
  readonly at: UnixNanos;
  readonly cgroup: CgroupStats;
  /** Billionths of a processor, over about 10 s; undefined until that is known. */
  readonly nanoCores: number | undefined;
};

/** A cgroup, and whose it is. */
export type Subject = { readonly id: string; readonly cgroupPath: string };

type Source = { readonly reader: StatsReader; readonly rate: CpuRate };

/** Files that nobody has read for so long are closed. */
const idleMs = 120_000;

/**
 * Reads the statistics of cgroups, at once, from files that stay open between the readings. There is no
 * clock in it but the callers': what nobody asks for is not read.
 */
export class StatsReaders {
  readonly #cgroups: Pick<Cgroups, 'exists' | 'openStats'>;
  readonly #sources = new Map<string, Source>();
  #listening: Disposable | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(cgroups: Pick<Cgroups, 'exists' | 'openStats'>) {
    this.#cgroups = cgroups;
  }

  /** Begins to let go of what has ended. */
  open(events: EventLog): void {
    this.#listening = events.listen(({ kind, container, sandbox }) => {
      if (kind === 'stopped') this.#close((container ?? sandbox)?.id ?? '');
    });
  }

  /** Undefined when the cgroup is gone. Of a subject that has ended nothing is to be read. */
  read(subject: Subject, groups: readonly StatsGroup[]): Reading | undefined {
    const source = this.#sourceOf(subject);
    const cgroup = source.reader.read(groups);
    if (cgroup === undefined) {
      this.#close(subject.id);
      return undefined;
    }
    const usageUs = cgroup.cpu?.usageUs;
    const sample = usageUs === undefined ? undefined : { atMs: performance.now(), usageUs };
    return { at: now(), cgroup, nanoCores: sample && source.rate.next(sample) };
  }

  /** In no order; none when the cgroup is gone. */
  processes(subject: Subject): readonly number[] {
    return this.#sourceOf(subject).reader.processes();
  }

  close(): void {
    clearTimeout(this.#idle);
    this.#listening?.[Symbol.dispose]();
    this.#closeAll();
  }

  #sourceOf({ id, cgroupPath }: Subject): Source {
    this.#idle ??= setTimeout(() => this.#closeAll(), idleMs).unref();
    this.#idle.refresh();
    const known = this.#sources.get(id);
    if (known !== undefined) return known;
    const reader = this.#cgroups.openStats(leafCgroup(this.#cgroups, cgroupPath));
    const source = { reader, rate: new CpuRate() };
    this.#sources.set(id, source);
    return source;
  }

  #close(id: string): void {
    this.#sources.get(id)?.reader[Symbol.dispose]();
    this.#sources.delete(id);
  }

  #closeAll(): void {
    for (const id of this.#sources.keys()) this.#close(id);
  }
}
