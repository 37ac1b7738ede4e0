const tickMs = 250;

/** Calls `tick` four times a second until the returned value is disposed of. */
export function ticking(tick: () => void): Disposable {
  const timer = setInterval(tick, tickMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
