import { expect, it } from 'vitest';
import { Fault } from '#errors/fault.ts';
import { parseRetryAfter, PassingFault, patiently } from './patience.ts';

const never = new AbortController().signal;
const patience = { pausesMs: [1, 2], maxRetryAfterMs: 100 };

/** Fails with each of these, then succeeds; returns the number of the try that did. */
function failing(...errors: readonly Error[]): () => Promise<number> {
  let tries = 0;
  return async () => {
    const error = errors[tries++];
    if (error) throw error;
    return tries;
  };
}

it('patiently tries again what may pass, and nothing else', async () => {
  const passing = new PassingFault('unavailable', 'busy');
  const lasting = new Fault('unavailable', 'gone');
  expect(await patiently(failing(), patience, never)).toBe(1);
  expect(await patiently(failing(passing, passing), patience, never)).toBe(3);
  await expect(patiently(failing(passing, passing, passing), patience, never)).rejects.toBe(
    passing,
  );
  await expect(patiently(failing(passing, lasting), patience, never)).rejects.toBe(lasting);
});

it('patiently waits as long as it is asked to, but not longer than allowed', async () => {
  const soon = new PassingFault('unavailable', 'busy', { retryAfterMs: 80 });
  const startedAt = performance.now();
  expect(await patiently(failing(soon), patience, never)).toBe(2);
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(79);
  const late = new PassingFault('unavailable', 'busy', { retryAfterMs: 101 });
  await expect(patiently(failing(late), patience, never)).rejects.toBe(late);
});

it('patiently ends with its signal while it waits', async () => {
  const controller = new AbortController();
  const late = new PassingFault('unavailable', 'busy', { retryAfterMs: 3_600_000 });
  const generous = { ...patience, maxRetryAfterMs: 3_600_000 };
  const waiting = patiently(failing(late), generous, controller.signal);
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
});

it('parseRetryAfter reads seconds and dates', () => {
  expect(parseRetryAfter('7')).toBe(7000);
  expect(parseRetryAfter(new Date(Date.now() + 60_000).toUTCString())).toBeGreaterThan(55_000);
  expect(parseRetryAfter('Fri, 31 Dec 1999 23:59:59 GMT')).toBe(0);
  expect(parseRetryAfter('soon')).toBeUndefined();
  expect(parseRetryAfter(undefined)).toBeUndefined();
});
