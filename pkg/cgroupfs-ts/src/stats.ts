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
};

const readers = {
  cpu: cpuStats,
  memory: memoryStats,
  pids: pidsStats,
  io: ioStats,
  hugetlb: hugetlbStats,
  pressure: pressureStats,
} satisfies { [Group in StatsGroup]: (find: FindStatFiles) => CgroupStats[Group] };

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of the object above
const allGroups = Object.keys(readers) as StatsGroup[];

export function openStatsReader(mounts: CgroupMounts, path: string): StatsReader {
  const reader = new OpenReader();
  const find = statFiles(mounts, path, reader);
  return {
    read: (groups = allGroups) => statsIn(find, groups),
    [Symbol.dispose]: () => reader[Symbol.dispose](),
  };
}

export function statsIn(
  find: FindStatFiles,
  groups: readonly StatsGroup[] = allGroups,
): CgroupStats | undefined {
  const none = { cpu: undefined, memory: undefined, pids: undefined };
  const others = { io: undefined, hugetlb: undefined, pressure: undefined };
  const read = groups.map((group) => [group, readers[group](find)] as const);
  return unlessEmpty({ ...none, ...others, ...Object.fromEntries(read) });
}
