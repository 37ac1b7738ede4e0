import type { FindStatFiles, StatFiles } from './controller.ts';
import { limitIn, toFlat, toNumber, unlessEmpty } from './format.ts';

/** Memory of the cgroup and those below. */
export type MemoryStats = {
  readonly usageBytes: number | undefined;
  /** What the kernel cannot easily have back: the usage without inactive file pages. */
  readonly workingSetBytes: number | undefined;
  /** The highest usage so far (v2: Linux 5.19). */
  readonly peakBytes: number | undefined;
  /** Undefined also when there is no limit. */
  readonly limitBytes: number | undefined;
  /** Anonymous memory; v1 calls it rss. */
  readonly anonBytes: number | undefined;
  /** Cached files, tmpfs and shared memory. */
  readonly fileBytes: number | undefined;
  readonly mappedFileBytes: number | undefined;
  readonly inactiveFileBytes: number | undefined;
  readonly kernelBytes: number | undefined;
  readonly swapBytes: number | undefined;
  /** Of swap alone, which v1 tells as the difference of two limits. Undefined also without a limit. */
  readonly swapLimitBytes: number | undefined;
  readonly pageFaults: number | undefined;
  readonly majorPageFaults: number | undefined;
  /** How often the limit, in v1 also that with swap, was in the way. v1 counts for the cgroup alone. */
  readonly limitHits: number | undefined;
  /** Processes killed for want of memory. v1 counts for the cgroup alone; oomKills() sums up. */
  readonly oomKills: number | undefined;
};

export function memoryStats(find: FindStatFiles): MemoryStats | undefined {
  const files = find('memory');
  if (files === undefined) return undefined;
  const stats = files.version === 1 ? legacyStats(files) : unifiedStats(files);
  return unlessEmpty({ ...stats, workingSetBytes: workingSet(stats) });
}

function legacyStats(files: StatFiles) {
  const stat = toFlat(files.read('memory.stat'));
  const oom = toFlat(files.read('memory.oom_control'));
  const limitBytes = limitIn(files.read('memory.limit_in_bytes'));
  const sumBytes = limitIn(files.read('memory.memsw.limit_in_bytes'));
  return {
    usageBytes: toNumber(files.read('memory.usage_in_bytes')),
    peakBytes: toNumber(files.read('memory.max_usage_in_bytes')),
    limitBytes,
    anonBytes: stat.get('total_rss'),
    fileBytes: stat.get('total_cache'),
    mappedFileBytes: stat.get('total_mapped_file'),
    inactiveFileBytes: stat.get('total_inactive_file'),
    kernelBytes: toNumber(files.read('memory.kmem.usage_in_bytes')),
    swapBytes: stat.get('total_swap'),
    swapLimitBytes: sumBytes === undefined ? undefined : sumBytes - (limitBytes ?? sumBytes),
    pageFaults: stat.get('total_pgfault'),
    majorPageFaults: stat.get('total_pgmajfault'),
    limitHits: legacyLimitHits(files),
    oomKills: oom.get('oom_kill'),
  };
}

/** A charge that fails counts in one of the files: with equal limits in that of memory and swap. */
function legacyLimitHits(files: StatFiles): number | undefined {
  const memory = toNumber(files.read('memory.failcnt'));
  const withSwap = toNumber(files.read('memory.memsw.failcnt'));
  return memory === undefined ? undefined : memory + (withSwap ?? 0);
}

function unifiedStats(files: StatFiles) {
  const stat = toFlat(files.read('memory.stat'));
  const events = toFlat(files.read('memory.events'));
  return {
    usageBytes: toNumber(files.read('memory.current')),
    peakBytes: toNumber(files.read('memory.peak')),
    limitBytes: limitIn(files.read('memory.max')),
    anonBytes: stat.get('anon'),
    fileBytes: stat.get('file'),
    mappedFileBytes: stat.get('file_mapped'),
    inactiveFileBytes: stat.get('inactive_file'),
    kernelBytes: stat.get('kernel'),
    swapBytes: toNumber(files.read('memory.swap.current')),
    swapLimitBytes: limitIn(files.read('memory.swap.max')),
    pageFaults: stat.get('pgfault'),
    majorPageFaults: stat.get('pgmajfault'),
    limitHits: events.get('max'),
    oomKills: events.get('oom_kill'),
  };
}

/** The two numbers are not of the same moment: the difference may seem to be negative. */
function workingSet(stats: {
  readonly usageBytes: number | undefined;
  readonly inactiveFileBytes: number | undefined;
}): number | undefined {
  const { usageBytes, inactiveFileBytes } = stats;
  return usageBytes === undefined || inactiveFileBytes === undefined
    ? undefined
    : Math.max(usageBytes - inactiveFileBytes, 0);
}
