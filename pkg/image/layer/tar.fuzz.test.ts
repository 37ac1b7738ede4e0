import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { Fault } from '#errors/fault.ts';
import { fuzzTimeoutMs, tryOut } from '#image/testdata/fuzz.ts';
import { tarArchive, type TestEntry } from '#image/testdata/tar-archive.ts';
import { ByteReader } from './bytes.ts';
import { tarEntries } from './tar.ts';

const name = fc.stringMatching(/^[a-z.][a-z./]{0,40}$/);
const entry: fc.Arbitrary<TestEntry> = fc.record(
  {
    name,
    type: fc.constantFrom('0', '0', '0', '1', '2', '5', '6'),
    content: fc.string({ maxLength: 2000 }),
    mode: fc.nat(0o7777),
    uid: fc.nat(65_535),
    mtime: fc.nat(2 ** 31),
    linkName: name,
    pax: fc.dictionary(
      fc.constantFrom('path', 'linkpath', 'mtime', 'uid', 'comment', 'SCHILY.xattr.user.a'),
      fc.stringMatching(/^[0-9]{1,9}$/),
      { maxKeys: 3, noNullPrototype: true },
    ),
  },
  { requiredKeys: ['name', 'type'] },
);

/** Reads an archive that comes in pieces of these sizes, over and over. */
function entriesOf(archive: Buffer, pieces: readonly number[]) {
  let offset = 0;
  let count = 0;
  const reader = new ByteReader(() => {
    const size = pieces[count++ % pieces.length] ?? archive.length;
    const piece = archive.subarray(offset, offset + size);
    offset += piece.length;
    return piece;
  });
  return Array.from(tarEntries(reader), (each) => {
    const parts: Buffer[] = [];
    reader.pass(each.sizeBytes, (part) => parts.push(Buffer.from(part)));
    return { ...each, content: Buffer.concat(parts).toString() };
  });
}

const pieces = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 5 });

it(
  'tarEntries reads what was written, in whatever pieces it comes',
  () =>
    tryOut(
      fc.property(fc.array(entry, { maxLength: 8 }), pieces, (entries, sizes) => {
        const plain = entries.map((each) => (each.type === '0' ? each : { ...each, content: '' }));
        const read = entriesOf(tarArchive(plain), sizes);
        expect(read.map((each) => [each.name, each.content, each.uid])).toEqual(
          plain.map(({ pax = {}, ...each }) => [
            pax['path'] ?? each.name,
            String(each.content ?? ''),
            Number(pax['uid'] ?? each.uid ?? 0),
          ]),
        );
      }),
    ),
  fuzzTimeoutMs,
);

/** A checksum that is right again, so that the fields behind it are looked at. */
function withChecksums(archive: Buffer): Buffer {
  for (let at = 0; at + 512 <= archive.length; at += 512) {
    const block = archive.subarray(at, at + 512);
    if (block.toString('latin1', 257, 262) !== 'ustar') continue;
    block.fill(' ', 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  }
  return archive;
}

const change = fc.record({
  at: fc.nat(20_000),
  by: fc.uint8Array({ minLength: 1, maxLength: 12 }),
});

it(
  'tarEntries refuses the rest with a reason, and comes to an end',
  () =>
    tryOut(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
          fc
            .tuple(fc.array(entry, { minLength: 1, maxLength: 4 }), fc.array(change))
            .map(([entries, changes]) => {
              const archive = tarArchive(entries);
              for (const { at, by } of changes)
                archive.set(
                  by.subarray(0, archive.length - (at % archive.length)),
                  at % archive.length,
                );
              return withChecksums(archive);
            }),
        ),
        pieces,
        (archive, sizes) => {
          try {
            for (const each of entriesOf(archive, sizes)) {
              expect(Number.isSafeInteger(each.sizeBytes) && each.sizeBytes >= 0).toBe(true);
              expect(each.name).not.toContain('\0');
            }
          } catch (error) {
            expect(error).toBeInstanceOf(Fault);
            expect(error).toMatchObject({ code: 'failed-precondition' });
          }
        },
      ),
    ),
  fuzzTimeoutMs,
);
