import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { Fault } from '#errors/fault.ts';
import { isDigest } from './digest.ts';
import { checkLayer, parseConfigFile, parseTopDocument } from './documents.ts';
import { imageConfigOf } from './image-config.ts';
import { mediaTypes } from './media-types.ts';
import { fuzzTimeoutMs, tryOut } from './testdata/fuzz.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: 7 };
const manifest = {
  schemaVersion: 2,
  mediaType: mediaTypes.manifest,
  config: descriptor,
  layers: [descriptor, descriptor],
};
const platform = { os: 'linux', architecture: 'amd64', variant: 'v8' };
const index = {
  schemaVersion: 2,
  mediaType: mediaTypes.index,
  manifests: [{ ...descriptor, platform }],
};
const config = {
  architecture: 'amd64',
  os: 'linux',
  created: '2026-11-20T00:00:00Z',
  config: { User: '1:2', Env: ['A=b'], Cmd: null, Volumes: { '/v': {} }, Labels: { a: 'b' } },
  rootfs: { type: 'layers', diff_ids: [digest] },
};

/** A document in which some values are others. */
function spoilt(document: object): fc.Arbitrary<Buffer> {
  const text = JSON.stringify(document);
  const values = [...text.matchAll(/"[^"]*"|\d+|null|\[\]|\{\}/g)];
  const change = fc.record({
    value: fc.nat(values.length - 1),
    by: fc.oneof(fc.json({ maxDepth: 3 }), fc.constantFrom('-1', '1e999', '""', '"__proto__"')),
  });
  return fc.array(change, { maxLength: 3 }).map((changes) => {
    let changed = text;
    for (const { value, by } of changes.toSorted((a, b) => b.value - a.value)) {
      const { index: at = 0, 0: old = '' } = values[value] ?? {};
      changed = changed.slice(0, at) + by + changed.slice(at + old.length);
    }
    return Buffer.from(changed);
  });
}

const anything = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc.json().map((text) => Buffer.from(text)),
  spoilt(manifest),
  spoilt(index),
  spoilt(config),
);

/** What `parse` returns, or undefined when it refuses; it may throw nothing but Faults. */
function orRefused<Result>(parse: () => Result): Result | undefined {
  try {
    return parse();
  } catch (error) {
    expect(error).toBeInstanceOf(Fault);
    expect((error as Fault).code).toMatch(/^(failed-precondition|unimplemented)$/);
    return undefined;
  }
}

it(
  'parseTopDocument gives whole documents, or says why not',
  () =>
    tryOut(
      fc.property(anything, fc.constantFrom('', ...Object.values(mediaTypes)), (bytes, type) => {
        const top = orRefused(() => parseTopDocument(bytes, type));
        if (top === undefined) return;
        const named =
          top.kind === 'index'
            ? top.index.manifests
            : [top.manifest.config, ...top.manifest.layers];
        for (const each of named) {
          expect(isDigest(each.digest)).toBe(true);
          expect(Number.isSafeInteger(each.size) && each.size >= 0).toBe(true);
          orRefused(() => checkLayer(each));
        }
      }),
    ),
  fuzzTimeoutMs,
);

it(
  'parseConfigFile gives whole configurations, or says why not',
  () =>
    tryOut(
      fc.property(anything, (bytes) => {
        const file = orRefused(() => parseConfigFile(bytes));
        if (file === undefined) return;
        expect(file.rootfs.diff_ids.every(isDigest)).toBe(true);
        const { env, cmd, entrypoint, labels, user } = imageConfigOf(file);
        const texts = [...env, ...cmd, ...entrypoint, ...Object.values(labels), user];
        expect(texts.every((text) => typeof text === 'string')).toBe(true);
      }),
    ),
  fuzzTimeoutMs,
);
