import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { Fault } from '#errors/fault.ts';
import { formatReference, nameOf, parseReference } from './reference.ts';
import { fuzzTimeoutMs, tryOut } from './testdata/fuzz.ts';

const name = fc.stringMatching(/^[a-z0-9]+(?:(?:[._]|__|-{1,3})[a-z0-9]+){0,2}$/);
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const host = fc.oneof(
  fc.constantFrom('', 'docker.io/', 'localhost/', '127.0.0.1:5000/', '[::1]:5000/'),
  fc.stringMatching(/^[a-z0-9]{1,9}\.[a-z]{2,3}(:[0-9]{1,5})?\/$/),
);
const tag = fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/), { nil: undefined });
const digest = fc.option(fc.stringMatching(/^[0-9a-f]{64}$/), { nil: undefined });
/** What is nearly a reference. */
const crooked = fc
  .array(
    fc.oneof(fc.constantFrom('/', ':', '@', '.', '__', '-', 'sha256:', 'A', '..', ' '), name, tag),
  )
  .map((parts) => parts.join(''));

it(
  'parseReference reads whatever the grammar allows',
  () =>
    tryOut(
      fc.property(fc.record({ host, path, tag, digest }), (given) => {
        const label = given.tag === undefined ? '' : `:${given.tag}`;
        const hash = given.digest === undefined ? '' : `@sha256:${given.digest}`;
        const text = `${given.host}${given.path}${label}${hash}`;
        fc.pre(given.path.length < 200 && !/^[0-9a-f]{64}$/.test(text));
        const reference = parseReference(text);
        expect(reference.digest ?? '').toBe(hash.slice(1));
        expect(reference.tag).toBe(given.tag ?? (hash === '' ? 'latest' : undefined));
        expect(nameOf(reference).endsWith(given.path)).toBe(true);
        expect(parseReference(formatReference(reference))).toEqual(reference);
      }),
    ),
  fuzzTimeoutMs,
);

it(
  'parseReference refuses the rest with a reason, or reads it the same again',
  () =>
    tryOut(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), crooked), (text) => {
        try {
          const reference = parseReference(text);
          expect(parseReference(formatReference(reference))).toEqual(reference);
          // Parts of URLs and of file names: nothing in them leads elsewhere.
          expect(formatReference(reference)).toMatch(/^[\w.:[\]-]+\/[a-z0-9._/-]+[\w.:@-]*$/);
          expect(`/${reference.path}/`).not.toMatch(/\/\.{0,2}\//);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
          expect(error).toMatchObject({ code: 'invalid-argument' });
        }
      }),
    ),
  fuzzTimeoutMs,
);
