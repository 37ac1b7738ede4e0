import type { FindStatFiles, StatFiles } from './controller.ts';
import { toNested, unlessEmpty } from './format.ts';

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

function pressureOf(files: StatFiles | undefined, resource: keyof PressureStats) {
  const lines = toNested(files?.read(`${resource}.pressure`));
  const stalls = new Map(lines.map(({ key, values }) => [key, stallOf(values)]));
  return unlessEmpty({ some: stalls.get('some'), full: stalls.get('full') });
}

function stallOf(values: ReadonlyMap<string, string>): Stall {
  const number = (name: string) => Number(values.get(name) ?? 0);
  return {
    avg10Percent: number('avg10'),
    avg60Percent: number('avg60'),
    avg300Percent: number('avg300'),
    totalUs: number('total'),
  };
}
