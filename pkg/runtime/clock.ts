/**
 * Nanoseconds since the Unix epoch. A double is exact to 256 ns there, finer than the clock's
 * microseconds, so times compare as they happened.
 */
export type UnixNanos = number;

export function now(): UnixNanos {
  return Math.round((performance.timeOrigin + performance.now()) * 1000) * 1000;
}
