import * as fc from 'fast-check';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fuzzTimeoutMs, tryOut } from '#image/testdata/fuzz.ts';
import { tarArchive, type TestEntry } from '#image/testdata/tar-archive.ts';
import { treeOf } from '#image/testdata/tree-of.ts';
import { ByteReader } from './bytes.ts';
import { extractLayer } from './extract.ts';

/**
 * Layers of entries whose few names meet each other in every way, next to files that they must not
 * reach. The kernel, and root's rights, are the real ones.
 */

let scratch: string;
let outside: string;
let before: unknown;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'gantry-fuzz-'));
  outside = join(scratch, 'outside');
  mkdirSync(join(outside, 'a'), { recursive: true });
  writeFileSync(join(outside, 'b'), 'safe');
  chmodSync(join(outside, 'b'), 0o600);
  symlinkSync('b', join(outside, 'c'));
  before = treeOf(outside);
});
afterAll(() => rmSync(scratch, { recursive: true }));

const part = fc.constantFrom('a', 'b', 'c', '..', '.', '.wh.a', '.wh..wh..opq');
const path = fc
  .tuple(
    fc.constantFrom('', '/', '../', '../../outside/'),
    fc.array(part, { minLength: 1, maxLength: 3 }),
  )
  .map(([start, parts]) => start + parts.join('/'));
const elsewhere = fc.constantFrom('/', '..', '../..', '../outside', '../../outside/b');

function entriesFor(to: string): fc.Arbitrary<TestEntry> {
  const linkName = fc.oneof(path, elsewhere, fc.constantFrom(to, `${to}/a`, `${to}/b`, `${to}/c`));
  return fc.record({
    name: path,
    type: fc.constantFrom('0', '1', '2', '2', '5', '5', '6', '3'),
    linkName,
    mode: fc.constantFrom(0o777, 0o4755, 0o2700),
    uid: fc.constantFrom(0, 1000),
    pax: fc.constantFrom({}, { 'SCHILY.xattr.user.fuzz': 'x' }),
  });
}

function extract(entries: readonly TestEntry[]): void {
  const directory = mkdtempSync(join(scratch, 'root-'));
  try {
    let rest: Buffer = tarArchive(entries);
    const reader = new ByteReader(() => {
      const all = rest;
      rest = Buffer.alloc(0);
      return all;
    });
    extractLayer(reader, { directory, whiteouts: 'marks', maxBytes: 1 << 20 });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

it(
  'extractLayer changes nothing outside of its directory, whether it succeeds or not',
  () =>
    tryOut(
      fc.property(fc.array(entriesFor(outside), { minLength: 2, maxLength: 12 }), (entries) => {
        try {
          extract(entries);
        } catch (error) {
          expect((error as Error).message).toMatch(/^(extract "|read tar)/);
        }
        expect(treeOf(outside)).toEqual(before);
      }),
    ),
  fuzzTimeoutMs,
);
