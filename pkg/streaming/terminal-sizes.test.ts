import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { expect, it } from 'vitest';
import type { TerminalSize } from './sessions.ts';
import { followSizes } from './terminal-sizes.ts';

async function sizesIn(...chunks: readonly string[]): Promise<TerminalSize[]> {
  const source = Readable.from(chunks.map((chunk) => Buffer.from(chunk)));
  const sizes: TerminalSize[] = [];
  followSizes(source)((size) => sizes.push(size));
  await finished(source);
  return sizes;
}

it('reads one size after the other, however they are cut', async () => {
  expect(
    await sizesIn('{"Width":80,"Height":24}\n{"Wid', 'th":1,"Height":2}\n', '{"Width":9'),
  ).toEqual([
    { columns: 80, rows: 24 },
    { columns: 1, rows: 2 },
  ]);
});

it('ignores what is no size', async () => {
  const lines = ['{"Width":0,"Height":0}', '{"Width":70000,"Height":1}', '[]', 'not JSON', '{}'];
  expect(await sizesIn(`${lines.join('\n')}\n`)).toEqual([]);
});

it('gives up on a text without an end', async () => {
  await expect(sizesIn('x'.repeat(2000), 'y')).rejects.toThrow('close');
});
