import type { FindStatFiles, StatFiles } from './controller.ts';
import { unlessEmpty } from './format.ts';

/** For how much of the time processes waited (Documentation/accounting/psi.rst). */
export type Stall = {
  readonly avg10Percent: number;
  readonly avg60Percent: number;
  readonly avg300Percent: number;
  readonly totalUs: number;
};

/** Time in which at least one process waited, and in which all that could run did. */
export type Pressure = { readonly some: Stall | undefined; readonly full: Stall | undefined };

export type PressureStats = {
  readonly cpu: Pressure | undefined;
  readonly memory: Pressure | undefined;
  readonly io: Pressure | undefined;
};

/** Of v2 only, but of each cgroup there, whatever controllers it has. */
export function pressureStats(find: FindStatFiles): PressureStats | undefined {
  const files = find('pressure');
  return unlessEmpty({
    cpu: pressureOf(files, 'cpu'),
    memory: pressureOf(files, 'memory'),
    io: pressureOf(files, 'io'),
  });
}

/** Two lines as in `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`. */
const line = /^(some|full) avg10=(\S+) avg60=(\S+) avg300=(\S+) total=(\d+)$/gm;

function pressureOf(files: StatFiles | undefined, resource: keyof PressureStats) {
  let some: Stall | undefined;
  let full: Stall | undefined;
  for (const [, key, ...numbers] of (files?.read(`${resource}.pressure`) ?? '').matchAll(line)) {
    const [avg10Percent = 0, avg60Percent = 0, avg300Percent = 0, totalUs = 0] =
      numbers.map(Number);
    const stall = { avg10Percent, avg60Percent, avg300Percent, totalUs };
    if (key === 'some') some = stall;
    else full = stall;
  }
  return unlessEmpty({ some, full });
}
