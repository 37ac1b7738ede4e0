import { expect, it } from 'vitest';
import { Gate } from './gate.ts';

/** Lets all that is ready to go on do so. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

it('Gate lets many in, and one alone only when nobody is inside', async () => {
  const gate = new Gate();
  const steps: string[] = [];
  const one = await gate.enter();
  const alone = gate.alone(async () => steps.push('alone'));
  const other = await gate.enter();
  steps.push('both inside');
  one[Symbol.dispose]();
  await settle();
  expect(steps).toEqual(['both inside']);
  other[Symbol.dispose]();
  await alone;
  expect(steps).toEqual(['both inside', 'alone']);
});

it('Gate keeps others out while one is alone, also when that fails', async () => {
  const gate = new Gate();
  const working = Promise.withResolvers<void>();
  const alone = gate.alone(() => working.promise);
  const second = gate.alone(async () => 'second');
  let isInside = false;
  const entering = gate.enter().then((held) => {
    isInside = true;
    return held;
  });
  await settle();
  expect(isInside).toBe(false);
  working.reject(new Error('it failed'));
  await expect(alone).rejects.toThrow('it failed');
  (await entering)[Symbol.dispose]();
  expect(await second).toBe('second');
});
