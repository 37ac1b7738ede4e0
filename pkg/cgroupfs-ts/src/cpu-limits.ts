import type { Write } from './control-file.ts';
import type { ControlFiles } from './controller.ts';
import { fulfil, refuse } from './plan.ts';
import { type Amount, toAmount, toNumber } from './format.ts';

/** Limits of processor time. */
export type CpuLimits = {
  /** The part among siblings, 2 to 262144, usually 1024: v1's unit, converted for v2. */
  readonly shares?: number | undefined;
  /** The same in v2's unit, 1 to 10000, usually 100; converted for v1. One of the two may be given. */
  readonly weight?: number | undefined;
  /** Processor time for each period, of all processors together; 1000 at least. */
  readonly quotaUs?: Amount | undefined;
  /** 1000 to 1000000, usually 100000. */
  readonly periodUs?: number | undefined;
  /** How much that was not used may be used in a later period; at most the quota (Linux 5.14). */
  readonly burstUs?: number | undefined;
};

const quotaRange = { min: 1000 };
const periodRange = { min: 1000, max: 1_000_000 };

/** log10 of the weight is quadratic in log2 of the shares, through 2 → 1, 1024 → 100, 262144 → 10000. */
const curve = { linear: 125, divisor: 612, offset: 126 };

/** v1 shares as a v2 weight, as OCI runtimes convert them (crun(1), "CGROUP V2"). */
export function weightOfShares(shares: number): number {
  const log2 = Math.log2(shares);
  return Math.ceil(10 ** ((log2 ** 2 + curve.linear * log2 - curve.offset) / curve.divisor));
}

/** The inverse of weightOfShares(), to the next integer. */
export function sharesOfWeight(weight: number): number {
  const constant = curve.offset + curve.divisor * Math.log10(weight);
  return Math.round(2 ** ((Math.sqrt(curve.linear ** 2 + 4 * constant) - curve.linear) / 2));
}

/** The writes that set the limits, in an order that the kernel accepts. */
export async function planCpu(files: ControlFiles, limits: CpuLimits): Promise<Write[]> {
  return [...planShare(files, limits), ...(await planBandwidth(files, limits))];
}

/** The limits in force: in the unit of the hierarchy, shares for v1, weight for v2. */
export async function readCpuLimits(files: ControlFiles): Promise<CpuLimits> {
  if (files.version === 1) {
    return {
      shares: toNumber(await files.read('cpu.shares')),
      quotaUs: toAmount(await files.read('cpu.cfs_quota_us')),
      periodUs: toNumber(await files.read('cpu.cfs_period_us')),
      burstUs: toNumber(await files.read('cpu.cfs_burst_us')),
    };
  }
  const [quota, period] = (await files.read('cpu.max'))?.split(' ') ?? [];
  return {
    weight: toNumber(await files.read('cpu.weight')),
    quotaUs: toAmount(quota),
    periodUs: toNumber(period),
    burstUs: toNumber(await files.read('cpu.max.burst')),
  };
}

function planShare(files: ControlFiles, { shares, weight }: CpuLimits): Write[] {
  const inShares = fulfil(files, { file: 'cpu.shares', value: shares, min: 2, max: 262_144 });
  const inWeight = fulfil(files, { file: 'cpu.weight', value: weight, min: 1, max: 10_000 });
  if (shares !== undefined && weight !== undefined) {
    const write = { file: 'cpu.weight', value: String(weight) };
    return refuse(files, write, `shares are given, too (${shares})`);
  }
  if (files.version === 1) {
    if (weight === undefined) return inShares;
    return [{ file: 'cpu.shares', value: String(sharesOfWeight(weight)) }];
  }
  if (shares === undefined) return inWeight;
  return [{ file: 'cpu.weight', value: String(weightOfShares(shares)) }];
}

/** The kernel refuses a burst above the quota, at each write: it shrinks before, and grows after. */
async function planBandwidth(files: ControlFiles, limits: CpuLimits): Promise<Write[]> {
  const now = await readCpuLimits(files);
  const file = files.version === 1 ? 'cpu.cfs_burst_us' : 'cpu.max.burst';
  const burst = fulfil(files, { file, value: limits.burstUs });
  const quota = files.version === 1 ? legacyQuota : unifiedQuota;
  const isShrinking = (limits.burstUs ?? 0) < (now.burstUs ?? 0);
  const rest = quota(files, limits, now);
  return isShrinking ? [...burst, ...rest] : [...rest, ...burst];
}

/**
 * At each write the kernel refuses a quota that is a greater part of its period than the parent's is.
 * So a period grows before the quota changes, and shrinks after.
 */
function legacyQuota(files: ControlFiles, limits: CpuLimits, now: CpuLimits): Write[] {
  const { quotaUs, periodUs } = limits;
  const quota = fulfil(files, { file: 'cpu.cfs_quota_us', value: quotaUs, ...quotaRange });
  const period = fulfil(files, { file: 'cpu.cfs_period_us', value: periodUs, ...periodRange });
  const isGrowing = (periodUs ?? 0) > (now.periodUs ?? 0);
  return isGrowing ? [...period, ...quota] : [...quota, ...period];
}

/** Both are in one file, and a period cannot be written alone. */
function unifiedQuota(files: ControlFiles, limits: CpuLimits, now: CpuLimits): Write[] {
  const file = 'cpu.max';
  if (limits.quotaUs === undefined && limits.periodUs === undefined) return [];
  const [quota] = fulfil(files, { file, value: limits.quotaUs ?? now.quotaUs, ...quotaRange });
  const [period] = fulfil(files, { file, value: limits.periodUs ?? now.periodUs, ...periodRange });
  return [{ file, value: [quota?.value ?? 'max', period?.value ?? ''].join(' ').trim() }];
}
