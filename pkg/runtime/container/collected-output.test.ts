import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { CollectedOutput } from './collected-output.ts';

it('keeps all, in order', () => {
  const output = new CollectedOutput({ bytes: 1e6 });
  const numbers = Array.from({ length: 3_000 }, (_, n) => `${n} `);
  for (const number of numbers) output.add(Buffer.from(number));
  expect(output.bytes().toString()).toBe(numbers.join(''));
});

it('drops what there is no room for, which two may share', () => {
  const room = { bytes: 5 };
  const [first, second] = [new CollectedOutput(room), new CollectedOutput(room)];
  first.add(Buffer.from('one'));
  second.add(Buffer.from('two'));
  first.add(Buffer.from('more'));
  expect([first.bytes().toString(), second.bytes().toString()]).toEqual(['one', 'tw']);
});

it('takes little memory for many small pieces', () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage: unknown = runInNewContext('gc');
  const heapBytes = () => {
    if (typeof collectGarbage === 'function') collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const output = new CollectedOutput({ bytes: 1e6 });
  const before = heapBytes();
  for (let n = 0; n < 200_000; n += 1) output.add(Buffer.from(new ArrayBuffer(2)));
  expect(heapBytes() - before).toBeLessThan(4e6);
  expect(output.bytes().length).toBe(400_000);
});
