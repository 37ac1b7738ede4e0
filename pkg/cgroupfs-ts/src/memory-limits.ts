import type { Write } from './control-file.ts';
import type { ControlFiles } from './controller.ts';
import { fulfil, refuse } from './plan.ts';
import { type Amount, comparable, toAmount } from './format.ts';

/** Limits of memory. The kernel rounds them down to whole pages. */
export type MemoryLimits = {
  readonly limitBytes?: Amount | undefined;
  /**
   * Memory and swap together, as the OCI runtime spec has it; `limitBytes` itself for no swap. v1
   * keeps this sum, v2 the difference: so does a change of `limitBytes` alone.
   */
  readonly memoryAndSwapBytes?: Amount | undefined;
  /** Kept as long as others have something to give: v1's soft limit, v2's `memory.low`. */
  readonly reservationBytes?: Amount | undefined;
  /** Above this, processes are slowed down and their memory is reclaimed. v2 only. */
  readonly highBytes?: Amount | undefined;
  /** Never reclaimed. v2 only. */
  readonly minBytes?: Amount | undefined;
};

const names = {
  1: {
    limit: 'memory.limit_in_bytes',
    swap: 'memory.memsw.limit_in_bytes',
    reservation: 'memory.soft_limit_in_bytes',
  },
  2: { limit: 'memory.max', swap: 'memory.swap.max', reservation: 'memory.low' },
} as const;

/** The writes that set the limits, in an order that the kernel accepts. */
export async function planMemory(files: ControlFiles, limits: MemoryLimits): Promise<Write[]> {
  const { reservation } = names[files.version];
  return [
    ...(await planLimit(files, limits)),
    ...fulfil(files, { file: reservation, value: limits.reservationBytes }),
    ...planUnified(files, { file: 'memory.high', value: limits.highBytes }),
    ...planUnified(files, { file: 'memory.min', value: limits.minBytes }),
  ];
}

/** The limits in force; undefined for what the hierarchy has not. */
export async function readMemoryLimits(files: ControlFiles): Promise<MemoryLimits> {
  const { limit, swap, reservation } = names[files.version];
  const amount = async (file: string) => toAmount(await files.read(file));
  const [limitBytes, swapBytes] = [await amount(limit), await amount(swap)];
  return {
    limitBytes,
    memoryAndSwapBytes: files.version === 1 ? swapBytes : sum(limitBytes, swapBytes),
    reservationBytes: await amount(reservation),
    highBytes: files.version === 1 ? undefined : await amount('memory.high'),
    minBytes: files.version === 1 ? undefined : await amount('memory.min'),
  };
}

/**
 * v1 refuses, at each write, more memory than memory and swap together. And where a part of the limit
 * moves from memory to swap, v2 must not want for both. So more swap comes first, less swap last.
 */
async function planLimit(files: ControlFiles, limits: MemoryLimits): Promise<Write[]> {
  if (limits.limitBytes === undefined && limits.memoryAndSwapBytes === undefined) return [];
  const { limit, swap } = names[files.version];
  const now = await readMemoryLimits(files);
  const memory = fulfil(files, { file: limit, value: limits.limitBytes });
  checkSum(files, limits, now);
  const limitBytes = limits.limitBytes ?? now.limitBytes;
  const value = swapLimit(files, { ...limits, limitBytes });
  const swapNow = toAmount(await files.read(swap)) ?? 0;
  const writes = fulfil(files, { file: swap, value });
  const isRaised = value !== undefined && comparable(value) > comparable(swapNow);
  return isRaised ? [...writes, ...memory] : [...memory, ...writes];
}

/** Refuses less memory and swap together than memory alone. v1 has a sum also where none is given. */
function checkSum(files: ControlFiles, limits: MemoryLimits, now: MemoryLimits): void {
  const { limit, swap } = names[files.version];
  fulfil(files, { file: swap, value: limits.memoryAndSwapBytes });
  const both = limits.memoryAndSwapBytes ?? (files.version === 1 ? now.memoryAndSwapBytes : 'max');
  const alone = limits.limitBytes ?? now.limitBytes ?? 0;
  if (both === undefined || comparable(alone) <= comparable(both)) return;
  const reason = `memory alone has ${alone}, memory and swap together ${both}`;
  if (limits.memoryAndSwapBytes === undefined) {
    refuse(files, { file: limit, value: String(alone) }, reason);
  }
  refuse(files, { file: swap, value: String(both) }, reason);
}

/** The limit of swap in the way of the hierarchy, see `memoryAndSwapBytes`. */
function swapLimit(files: ControlFiles, limits: MemoryLimits): Amount | undefined {
  const { limitBytes = 'max', memoryAndSwapBytes: both } = limits;
  if (both === undefined || both === 'max' || limitBytes === 'max') return both;
  return files.version === 1 ? both : both - limitBytes;
}

function planUnified(files: ControlFiles, wish: { file: string; value: Amount | undefined }) {
  const { file, value } = wish;
  if (value === undefined || files.version === 2) return fulfil(files, wish);
  return refuse(files, { file, value: String(value) }, 'cgroup v1 has no such limit');
}

function sum(one: Amount | undefined, other: Amount | undefined): Amount | undefined {
  if (one === undefined || other === undefined) return undefined;
  return one === 'max' || other === 'max' ? 'max' : one + other;
}
