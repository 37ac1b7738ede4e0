import { expect, it } from 'vitest';
import { KeyedLock } from './keyed-lock.ts';

it('KeyedLock runs the holders of one key in the order of asking', async () => {
  const locks = new KeyedLock<string>();
  const gate = Promise.withResolvers<void>();
  const order: number[] = [];
  const job = async (n: number, until: Promise<void> | undefined): Promise<void> => {
    using _held = await locks.hold('pod');
    await until;
    order.push(n);
  };
  const jobs = [job(1, gate.promise), job(2, undefined), job(3, undefined)];
  gate.resolve();
  await Promise.all(jobs);
  expect(order).toEqual([1, 2, 3]);
});

it('KeyedLock does not make one key wait for another', async () => {
  const locks = new KeyedLock<string>();
  using _held = await locks.hold('slow');
  using _other = await locks.hold('quick');
});
