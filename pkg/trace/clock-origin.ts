/** Date knows milliseconds only; two clocks cannot be read at once. */
const toleranceMs = 2;

let originMs = performance.timeOrigin;

/**
 * When `performance.now()` was 0, in milliseconds since the Unix epoch, by the node's time as it is now:
 * that may be set at any moment, and the other clock stands still while the node sleeps.
 */
export function clockOriginMs(): number {
  const before = performance.now();
  const date = Date.now();
  const after = performance.now();
  const isSet = date < originMs + before - toleranceMs || date > originMs + after + toleranceMs;
  if (isSet) originMs = date - after;
  return originMs;
}
