/**
 * Nanoseconds since the Unix epoch. A double is exact to 256 ns there, finer than the clock's
 * microseconds, so times compare as they happened.
 */
export type UnixNanos = number;

/** Date knows milliseconds only; two clocks cannot be read at once. */
const toleranceMs = 2;

/** What the node's time is ahead of the clock that only goes forward. */
let aheadMs = performance.timeOrigin;

/** The node's time, also after it was set or the node slept, at which the other clock stands still. */
export function now(): UnixNanos {
  const before = performance.now();
  const date = Date.now();
  const after = performance.now();
  const isSet = date < aheadMs + before - toleranceMs || date > aheadMs + after + toleranceMs;
  if (isSet) aheadMs = date - after;
  return Math.round((aheadMs + after) * 1000) * 1000;
}
