import { afterEach, expect, it, vi } from 'vitest';
import { now } from './clock.ts';

afterEach(() => {
  vi.useRealTimers();
});

it('goes forward by less than a millisecond at a time', () => {
  const times = Array.from({ length: 1000 }, now);
  expect(times.toSorted((one, other) => one - other)).toEqual(times);
  expect(new Set(times).size).toBeGreaterThan(10);
  expect(Math.abs(now() / 1e6 - Date.now())).toBeLessThan(50);
});

it('follows the time of the node when that is set', () => {
  const hourMs = 3_600_000;
  vi.useFakeTimers({ toFake: ['Date'] });
  for (const atMs of [Date.now() + hourMs, Date.now() - hourMs]) {
    vi.setSystemTime(atMs);
    expect(Math.abs(now() / 1e6 - atMs)).toBeLessThan(50);
  }
});
