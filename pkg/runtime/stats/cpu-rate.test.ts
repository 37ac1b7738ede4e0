import { expect, it } from 'vitest';
import { CpuRate } from './cpu-rate.ts';

/** Half a processor: half a million microseconds a second. */
const usageAt = (seconds: number): number => seconds * 500_000;

function next(rate: CpuRate, seconds: number, usageUs = usageAt(seconds)): number | undefined {
  return rate.next({ atMs: seconds * 1000, usageUs });
}

/** Idle, and from 110 s on a whole processor. */
function lateUsage(seconds: number): number {
  return usageAt(Math.max(seconds - 110, 0) * 2);
}

function uneven(seconds: number): number {
  return usageAt(seconds) + (seconds % 2) * 100_000;
}

it('CpuRate knows nothing of one sample, nor of two that are close', () => {
  const rate = new CpuRate();
  expect(next(rate, 100)).toBe(undefined);
  expect(next(rate, 100.5)).toBe(undefined);
  expect(next(rate, 101)).toBe(500_000_000);
});

it('CpuRate is the average over some 10 seconds, whoever asks in between', () => {
  const rate = new CpuRate();
  for (let seconds = 100; seconds <= 110; seconds += 0.25) next(rate, seconds, lateUsage(seconds));
  expect(next(rate, 115, lateUsage(115))).toBeCloseTo(500_000_000, -8);
  expect(next(rate, 120, lateUsage(120))).toBeCloseTo(1_000_000_000, -8);
});

it('CpuRate forgets samples that are old, and those of another counter', () => {
  const rate = new CpuRate();
  next(rate, 100);
  expect(next(rate, 221)).toBe(undefined);
  expect(next(rate, 231)).toBe(500_000_000);
  expect(next(rate, 241, 7)).toBe(undefined);
  expect(next(rate, 251, 5_000_007)).toBe(500_000_000);
});

it('CpuRate is the same for a caller every second and one every 10 seconds', () => {
  const often = new CpuRate();
  const seldom = new CpuRate();
  for (let seconds = 0; seconds <= 100; seconds += 1) {
    const told = next(often, seconds, uneven(seconds));
    if (seconds % 10 === 0) expect(next(seldom, seconds, uneven(seconds))).toBe(told);
  }
});
