import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { chainIdsOf, isDigest } from './digest.ts';

const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

it('chainIdsOf follows the recursion of the specification', () => {
  const [a, b, c] = [sha256('a'), sha256('b'), sha256('c')];
  const ab = sha256(`${a} ${b}`);
  expect(chainIdsOf([a, b, c])).toEqual([a, ab, sha256(`${ab} ${c}`)]);
  expect(chainIdsOf([])).toEqual([]);
});

it.each([
  [sha256('x'), true],
  [sha256('x').toUpperCase(), false],
  [sha256('x').slice(0, -1), false],
  [`${sha256('x')}0`, false],
  ['sha256:../../../../etc/passwd', false],
  [`${sha256('x')}\n`, false],
])('isDigest judges %j', (text, verdict) => {
  expect(isDigest(text)).toBe(verdict);
});
