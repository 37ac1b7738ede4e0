import { setTimeout as delay } from 'node:timers/promises';

/** How many times longer than usual everything may take, as on an emulated machine. */
export const slowness = Number(process.env['GANTRY_TEST_SLOWNESS'] ?? 1);

/** Polls until `probe` returns something other than `undefined` or `false`, and returns that. */
export async function eventually<Value>(
  what: string,
  probe: () => Value | false | undefined | Promise<Value | false | undefined>,
  timeoutMs = 20_000,
): Promise<Value> {
  const deadline = performance.now() + timeoutMs * slowness;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs * slowness} ms: ${what}`);
    await delay(20);
  }
}
