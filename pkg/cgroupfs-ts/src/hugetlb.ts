import type { Write } from './control-file.ts';
import type { ControlFiles, FindStatFiles, StatFiles } from './controller.ts';
import { fulfil, refuse } from './plan.ts';
import { type Amount, toAmount, toFlat, toNumber } from './format.ts';

/** Limits in bytes for each size of huge pages, named as the kernel's files name it: `2MB`, `1GB`. */
export type HugetlbLimits = Readonly<Record<string, Amount | undefined>>;

export type HugetlbStats = {
  /** As in `2MB`. */
  readonly pageSize: string;
  readonly usageBytes: number;
  /** v1 only. */
  readonly peakBytes: number | undefined;
  /** How often the limit was in the way. */
  readonly limitHits: number | undefined;
};

const names = {
  1: { limit: 'limit_in_bytes', usage: 'usage_in_bytes' },
  2: { limit: 'max', usage: 'current' },
} as const;

/**
 * Limits the pages in use and, where the kernel has it (Linux 5.7), those that are reserved: so mmap(2)
 * fails, rather than a SIGBUS at the first touch.
 */
export async function planHugetlb(files: ControlFiles, limits: HugetlbLimits): Promise<Write[]> {
  const known = new Set(await files.list());
  const { limit } = names[files.version];
  return Object.entries(limits).flatMap(([pageSize, value]) => {
    const file = `hugetlb.${pageSize}.${limit}`;
    if (!/^\d+[KMG]B$/.test(pageSize)) {
      return refuse(files, { file, value: String(value) }, 'no size of pages as in "2MB"');
    }
    const reserved = `hugetlb.${pageSize}.rsvd.${limit}`;
    const writes = fulfil(files, { file, value });
    return known.has(reserved) ? [...writes, ...fulfil(files, { file: reserved, value })] : writes;
  });
}

export async function readHugetlbLimits(files: ControlFiles): Promise<HugetlbLimits> {
  const limits: Record<string, Amount | undefined> = {};
  for (const pageSize of pageSizes(await files.list())) {
    limits[pageSize] = toAmount(
      await files.read(`hugetlb.${pageSize}.${names[files.version].limit}`),
    );
  }
  return limits;
}

/** In the order of their names; undefined when no hierarchy counts huge pages. */
export function hugetlbStats(find: FindStatFiles): HugetlbStats[] | undefined {
  const files = find('hugetlb');
  if (files === undefined) return undefined;
  const stats = pageSizes(files.list()).flatMap((pageSize) => statsOf(files, pageSize));
  return stats.length === 0 ? undefined : stats;
}

/** Empty when the cgroup is gone. */
function statsOf(files: StatFiles, pageSize: string): HugetlbStats[] {
  const read = (name: string) => files.read(`hugetlb.${pageSize}.${name}`);
  const usageBytes = toNumber(read(names[files.version].usage));
  if (usageBytes === undefined) return [];
  if (files.version === 2) {
    const limitHits = toFlat(read('events')).get('max');
    return [{ pageSize, usageBytes, peakBytes: undefined, limitHits }];
  }
  const peakBytes = toNumber(read('max_usage_in_bytes'));
  return [{ pageSize, usageBytes, peakBytes, limitHits: toNumber(read('failcnt')) }];
}

/** Who reads again and again has the same list of files each time. */
const knownSizes = new WeakMap<readonly string[], readonly string[]>();

function pageSizes(files: readonly string[]): readonly string[] {
  const known = knownSizes.get(files) ?? findPageSizes(files);
  knownSizes.set(files, known);
  return known;
}

function findPageSizes(files: readonly string[]): string[] {
  const sizes = files.map((name) => /^hugetlb\.(\w+)\.(max|limit_in_bytes)$/.exec(name));
  return sizes.flatMap((match) => match?.[1] ?? []).toSorted();
}
