import { setTimeout as delay } from 'node:timers/promises';

const firstPauseMs = 1;
const longestPauseMs = 50;

/**
 * Repeats `attempt` until it returns true, with growing pauses. Returns false once `timeoutMs` are
 * over; the attempt that runs then is the last.
 */
export async function retry(timeoutMs: number, attempt: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    if (await attempt()) return true;
    if (performance.now() >= deadline) return false;
    await delay(pauseMs);
  }
}
