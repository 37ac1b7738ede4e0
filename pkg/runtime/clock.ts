import { clockOriginMs } from '#trace/clock-origin.ts';

/**
 * Nanoseconds since the Unix epoch. A double is exact to 256 ns there, finer than the clock's
 * microseconds, so times compare as they happened.
 */
export type UnixNanos = number;

/** The node's time, also after it was set or the node slept. */
export function now(): UnixNanos {
  return Math.round((clockOriginMs() + performance.now()) * 1000) * 1000;
}
