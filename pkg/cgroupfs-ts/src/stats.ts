import { controlFiles, type FindFiles } from './controller.ts';
import { type CpuStats, cpuStats } from './cpu-stats.ts';
import { unlessEmpty } from './format.ts';
import { type HugetlbStats, hugetlbStats } from './hugetlb.ts';
import { type IoStats, ioStats } from './io-stats.ts';
import { type MemoryStats, memoryStats } from './memory-stats.ts';
import type { CgroupMounts } from './mounts.ts';
import { type PidsStats, pidsStats } from './pids.ts';
import { type PressureStats, pressureStats } from './pressure.ts';
import { openReader } from './reader.ts';

/** What a cgroup uses, and has used; undefined for what no hierarchy tells. */
export type CgroupStats = {
  readonly cpu: CpuStats | undefined;
  readonly memory: MemoryStats | undefined;
  readonly pids: PidsStats | undefined;
  readonly io: readonly IoStats[] | undefined;
  readonly hugetlb: readonly HugetlbStats[] | undefined;
  readonly pressure: PressureStats | undefined;
};

/**
 * Reads the statistics of one cgroup again and again, from files that it keeps open: some 20. Belongs
 * to this very cgroup, not to one that is made later in its place. Dispose of it after use.
 */
export type StatsReader = AsyncDisposable & {
  /** Undefined when the cgroup is gone. */
  read(): Promise<CgroupStats | undefined>;
};

export function openStatsReader(mounts: CgroupMounts, path: string): StatsReader {
  const reader = openReader();
  const find = controlFiles(mounts, path, reader);
  return {
    read: () => statsIn(find),
    [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
  };
}

/** One file after the other, so that reading many cgroups leaves threads of Node's pool to others. */
export async function statsIn(find: FindFiles): Promise<CgroupStats | undefined> {
  return unlessEmpty({
    cpu: await cpuStats(find),
    memory: await memoryStats(find),
    pids: await pidsStats(find),
    io: await ioStats(find),
    hugetlb: await hugetlbStats(find),
    pressure: await pressureStats(find),
  });
}
