import type { FindStatFiles, StatFiles } from './controller.ts';
import { toFlat, toNumber, unlessEmpty } from './format.ts';

/** Processor time so far. All numbers only grow. */
export type CpuStats = {
  readonly usageUs: number | undefined;
  readonly userUs: number | undefined;
  readonly systemUs: number | undefined;
  /** Periods with something to run, under a quota. */
  readonly periods: number | undefined;
  /** Periods whose quota was used up before their end. */
  readonly throttledPeriods: number | undefined;
  readonly throttledUs: number | undefined;
  /** Periods that used what an earlier one had left. */
  readonly bursts: number | undefined;
  readonly burstUs: number | undefined;
};

/** v2 shows the usage also where no controller is on. */
export function cpuStats(find: FindStatFiles): CpuStats | undefined {
  const accounting = find('cpuacct');
  const cpu = find('cpu');
  return unlessEmpty({ ...usageIn(accounting), ...throttlingIn(cpu) });
}

function usageIn(files: StatFiles | undefined) {
  if (files?.version === 2) {
    const stat = toFlat(files.read('cpu.stat'));
    return {
      usageUs: stat.get('usage_usec'),
      userUs: stat.get('user_usec'),
      systemUs: stat.get('system_usec'),
    };
  }
  // cpuacct.usage_user and usage_sys are finer, but sampled: their sum may exceed the usage.
  const stat = toFlat(files?.read('cpuacct.stat'));
  return {
    usageUs: microseconds(toNumber(files?.read('cpuacct.usage'))),
    userUs: fromTicks(stat.get('user')),
    systemUs: fromTicks(stat.get('system')),
  };
}

function throttlingIn(files: StatFiles | undefined) {
  const stat = toFlat(files?.read('cpu.stat'));
  const isLegacy = files?.version === 1;
  return {
    periods: stat.get('nr_periods'),
    throttledPeriods: stat.get('nr_throttled'),
    throttledUs: isLegacy ? microseconds(stat.get('throttled_time')) : stat.get('throttled_usec'),
    bursts: stat.get('nr_bursts'),
    burstUs: isLegacy ? microseconds(stat.get('burst_time')) : stat.get('burst_usec'),
  };
}

function microseconds(nanoseconds: number | undefined): number | undefined {
  return nanoseconds === undefined ? undefined : Math.floor(nanoseconds / 1000);
}

/** The kernel tells programs of hundredths of a second whatever its clock (USER_HZ, times(2)). */
function fromTicks(ticks: number | undefined): number | undefined {
  return ticks === undefined ? undefined : ticks * 10_000;
}
