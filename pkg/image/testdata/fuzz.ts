import * as fc from 'fast-check';

/** How long each property is tried by `hack/fuzz`; a test run tries it a few times only. */
const secondsPerProperty = Number(process.env['GANTRY_FUZZ_SECONDS'] ?? 0);

/** The time limit that a test with a property needs, in milliseconds. */
export const fuzzTimeoutMs = (secondsPerProperty + 30) * 1000;

/** Tries a property with made-up inputs; fails with the smallest one that breaks it, and its seed. */
export async function tryOut(property: fc.IRawProperty<unknown>): Promise<void> {
  const forAWhile = {
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: secondsPerProperty * 1000,
  };
  await fc.assert(property, secondsPerProperty > 0 ? forAWhile : { numRuns: 300 });
}
