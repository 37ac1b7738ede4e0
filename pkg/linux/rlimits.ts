import { check, lastError, prlimit } from './libc.ts';

/** The numbers of <asm-generic/resource.h>, which hold for x86 and ARM. */
const numbers = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
} as const;

/** A resource that getrlimit(2) knows, without `RLIMIT_`. */
export type RlimitName = keyof typeof numbers;

/** Of a process, in the units of getrlimit(2). */
export type Rlimit = { readonly soft: bigint; readonly hard: bigint };

export const unlimited = 2n ** 64n - 1n;

/** The limit of this process. */
export function ownRlimit(name: RlimitName): Rlimit {
  const limit = new BigUint64Array(2);
  check(prlimit(0, numbers[name], null, limit), 'prlimit', name);
  const [soft = 0n, hard = 0n] = limit;
  return { soft, hard };
}

/**
 * Makes it possible for programs that this process starts to have a limit, raising its own hard limit
 * where needed. Returns the limit that they can have: where the kernel lets nothing be raised (without
 * CAP_SYS_RESOURCE, or above /proc/sys/fs/nr_open) that is less.
 */
export function allowRlimit(name: RlimitName, { soft, hard }: Rlimit): Rlimit {
  const own = ownRlimit(name);
  if (hard <= own.hard || raiseHard(name, { soft: own.soft, hard })) return { soft, hard };
  return { soft: soft < own.hard ? soft : own.hard, hard: own.hard };
}

function raiseHard(name: RlimitName, { soft, hard }: Rlimit): boolean {
  const result = prlimit(0, numbers[name], BigUint64Array.of(soft, hard), null);
  if (result < 0 && lastError() === 'EPERM') return false;
  return check(result, 'prlimit', name) === 0;
}
