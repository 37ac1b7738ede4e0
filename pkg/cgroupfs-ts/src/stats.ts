import { type FindStatFiles, statFiles } from './controller.ts';
import { type CpuStats, cpuStats } from './cpu-stats.ts';
import { unlessEmpty } from './format.ts';
import { type HugetlbStats, hugetlbStats } from './hugetlb.ts';
import { type IoStats, ioStats } from './io-stats.ts';
import { type MemoryStats, memoryStats } from './memory-stats.ts';
import type { CgroupMounts } from './mounts.ts';
import { type PidsStats, pidsStats } from './pids.ts';
import { type PressureStats, pressureStats } from './pressure.ts';
import { OpenReader } from './reader.ts';
import { processesBelow, processesDirectory } from './tree.ts';

/** What a cgroup uses, and has used; undefined for what no hierarchy tells. */
export type CgroupStats = {
  readonly cpu: CpuStats | undefined;
  readonly memory: MemoryStats | undefined;
  readonly pids: PidsStats | undefined;
  readonly io: readonly IoStats[] | undefined;
  readonly hugetlb: readonly HugetlbStats[] | undefined;
  readonly pressure: PressureStats | undefined;
};

/** One kind of statistics. */
export type StatsGroup = keyof CgroupStats;

/**
 * Reads the statistics of one cgroup again and again, from files that it keeps open: some 20, or as
 * many as the groups have that are asked for. Belongs to this very cgroup, not to one that is made
 * later in its place. Dispose of it after use.
 */
export type StatsReader = Disposable & {
  /** All groups or some, at once. Undefined when the cgroup is gone. */
  read(groups?: readonly StatsGroup[]): CgroupStats | undefined;
  /** The processes in it and below, in no order; none when it is gone. */
  processes(): number[];
};

const allGroups = ['cpu', 'memory', 'pids', 'io', 'hugetlb', 'pressure'] as const;

export function openStatsReader(mounts: CgroupMounts, path: string): StatsReader {
  const reader = new OpenReader();
  const find = statFiles(mounts, path, reader);
  const directory = processesDirectory(mounts, path);
  return {
    read: (groups = allGroups) => statsIn(find, groups),
    processes: () => (directory === undefined ? [] : processesBelow(directory, reader)),
    [Symbol.dispose]: () => reader[Symbol.dispose](),
  };
}

export function statsIn(
  find: FindStatFiles,
  groups: readonly StatsGroup[] = allGroups,
): CgroupStats | undefined {
  return unlessEmpty({
    cpu: groups.includes('cpu') ? cpuStats(find) : undefined,
    memory: groups.includes('memory') ? memoryStats(find) : undefined,
    pids: groups.includes('pids') ? pidsStats(find) : undefined,
    io: groups.includes('io') ? ioStats(find) : undefined,
    hugetlb: groups.includes('hugetlb') ? hugetlbStats(find) : undefined,
    pressure: groups.includes('pressure') ? pressureStats(find) : undefined,
  });
}
