import { expect, it } from 'vitest';
import { rejectWhenAborted, within } from './wait.ts';

it('within() tells whether something came in time, and passes its failure on', async () => {
  expect(await within(Promise.resolve(), 10_000)).toBe(true);
  expect(await within(new Promise(() => {}), 1)).toBe(false);
  await expect(within(Promise.reject(new Error('no')), 10_000)).rejects.toThrow('no');
});

it('rejectWhenAborted() cleans first, then rejects with what the cleaning returns', async () => {
  const abort = new AbortController();
  const order: string[] = [];
  using rejected = rejectWhenAborted(abort.signal, async () => {
    order.push('cleaned');
    return new Error('aborted');
  });
  abort.abort();
  await expect(rejected).rejects.toThrow('aborted');
  expect(order).toEqual(['cleaned']);
});

it('rejectWhenAborted() rejects at once when it is too late already', async () => {
  const late = rejectWhenAborted(AbortSignal.abort(), async () => new Error('late'));
  await expect(late).rejects.toThrow('late');
});

it('rejectWhenAborted() does nothing once it is disposed of', async () => {
  const abort = new AbortController();
  let cleanings = 0;
  rejectWhenAborted(abort.signal, async () => {
    cleanings += 1;
    return new Error('aborted');
  })[Symbol.dispose]();
  abort.abort();
  await Promise.resolve();
  expect(cleanings).toBe(0);
});
