import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { fuzzTimeoutMs, tryOut } from '#image/testdata/fuzz.ts';
import { type Challenge, parseChallenges } from './challenge.ts';

const text = fc.string({ unit: 'grapheme-ascii' });
const challenge: fc.Arbitrary<Challenge> = fc.oneof(
  fc.constant({ scheme: 'basic' } as const),
  fc.record({
    scheme: fc.constant('bearer' as const),
    realm: text,
    service: fc.option(text, { nil: undefined }),
    scope: fc.option(text, { nil: undefined }),
  }),
);

function written(one: Challenge): string {
  if (one.scheme === 'basic') return 'Basic realm="any"';
  const { realm, service, scope } = one;
  const parameters = Object.entries({ realm, service, scope }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}="${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`],
  );
  return `Bearer ${parameters.join(',')}`;
}

it(
  'parseChallenges reads what was written',
  () =>
    tryOut(
      fc.property(fc.array(challenge, { maxLength: 4 }), (challenges) => {
        expect(parseChallenges(challenges.map(written).join(', '))).toEqual(challenges);
      }),
    ),
  fuzzTimeoutMs,
);

const crooked = fc
  .array(
    fc.oneof(text, fc.constantFrom('Bearer ', 'Basic ', 'realm=', '"', '\\', '=', ',', ' ', '\t')),
    { maxLength: 200 },
  )
  .map((parts) => parts.join(''));

it(
  'parseChallenges takes anything, in no time',
  () =>
    tryOut(
      fc.property(crooked, fc.nat(200), (piece, times) => {
        // Node allows headers of 16 KiB.
        const header = piece.repeat(times).slice(0, 16_384);
        const startedAt = performance.now();
        for (const each of parseChallenges(header)) {
          if (each.scheme === 'bearer') expect(typeof each.realm).toBe('string');
        }
        expect(performance.now() - startedAt).toBeLessThan(1000);
      }),
    ),
  fuzzTimeoutMs,
);
