import { expect, it } from 'vitest';
import { Limit } from './limit.ts';

it('Limit lets in as many as it should, in the order of asking', async () => {
  const limit = new Limit(2);
  const order: string[] = [];
  const gates = ['a', 'b', 'c', 'd'].map((name) => ({ name, ...Promise.withResolvers<void>() }));
  const jobs = gates.map(async ({ name, promise }) => {
    using _slot = await limit.hold();
    order.push(`${name} in`);
    await promise;
    order.push(`${name} out`);
  });
  for (const { resolve } of gates) {
    resolve();
    await new Promise(setImmediate);
  }
  await Promise.all(jobs);
  expect(order).toEqual(['a in', 'b in', 'a out', 'c in', 'b out', 'd in', 'c out', 'd out']);
});
