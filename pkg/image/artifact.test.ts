import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { serving, startFake } from './testdata/fake-registry.ts';
import { openTestImages, type TestImages } from './testdata/open-images.ts';
import { failure } from './testdata/pull-fixture.ts';
import { type Blob, blobOf, descriptorOf, type TestImage } from './testdata/test-image.ts';
import { treeOf } from './testdata/tree-of.ts';

const never = new AbortController().signal;
const empty = blobOf('application/vnd.oci.empty.v1+json', {});
let stack: AsyncDisposableStack;
let opened: TestImages;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  opened = stack.use(await openTestImages({ retryGraceMs: 0 }));
});
afterEach(() => stack.disposeAsync());

type File = { readonly blob: Blob; readonly title?: string };

/** An artifact as ORAS makes them. */
function artifactOf(files: readonly File[], config = empty): TestImage {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const layers = files.map(({ blob, title }) => ({
    ...descriptorOf(blob),
    ...(title === undefined ? {} : { annotations: { 'org.opencontainers.image.title': title } }),
  }));
  const artifactType = 'application/vnd.example.model';
  const json = { schemaVersion: 2, mediaType, artifactType, config: descriptorOf(config), layers };
  return { manifest: blobOf(mediaType, json), config, layers: files.map(({ blob }) => blob) };
}

async function pull(artifact: TestImage) {
  const registry = stack.use(await startFake(serving(artifact)));
  return opened.images.pull(`${registry.host}/test:v1`, {}, never);
}

const weights = blobOf('application/vnd.example.weights', Buffer.alloc(700_000, 'weights'));
const packed = blobOf('application/gzip', gzipSync('not unpacked'));

it('has its files under their titles, as they are', async () => {
  const files = [
    { blob: weights, title: 'model/weights.bin' },
    { blob: packed, title: 'data.gz' },
    { blob: blobOf('text/plain', Buffer.from('no title')) },
    { blob: empty },
  ];
  const artifact = artifactOf(files);
  const image = await pull(artifact);
  expect(image.id).toBe(artifact.manifest.digest);
  expect(image.repoTags.length).toBe(1);
  const roots = readdirSync(join(opened.root, 'snapshots')).map((name) =>
    join(opened.root, 'snapshots', name, 'fs'),
  );
  const found = Object.assign({}, ...roots.map(treeOf));
  const untitled = files[2]?.blob.digest.replace('sha256:', '') ?? '';
  expect(Object.keys(found).toSorted()).toEqual(
    ['data.gz', 'model', 'model/weights.bin', untitled].toSorted(),
  );
  expect(found['model/weights.bin']).toMatchObject({ content: weights.digest, mode: '644' });
  expect(found['data.gz']).toMatchObject({ content: packed.digest });
});

it('is one image with the other tags of it, and goes as images do', async () => {
  const chart = { blob: weights, title: 'chart.tgz' };
  const config = blobOf('application/vnd.cncf.helm.config.v1+json', { name: 'chart' });
  const { id } = await pull(artifactOf([chart], config));
  expect((await pull(artifactOf([chart], config))).id).toBe(id);
  expect(opened.images.list().length).toBe(1);
  expect(opened.images.find(id)?.sizeBytes).toBeGreaterThan(700_000);
  opened = stack.use(await opened.restart());
  expect(opened.images.find(id)?.repoTags.length).toBe(2);
  await opened.images.remove(id);
  expect(readdirSync(join(opened.root, 'content/blobs/sha256'))).toEqual([]);
});

it('is verified, too', async () => {
  const artifact = artifactOf([{ blob: weights, title: 'w' }]);
  const wrong = { ...weights, bytes: Buffer.alloc(weights.bytes.length) };
  const { text } = await failure(opened, pull({ ...artifact, layers: [wrong] }));
  expect(text).toContain('came with the digest');
  expect(readFileSync(join(opened.root, 'content/oci-layout'), 'utf8')).toContain('1.0.0');
});

it.each([
  ['no files', [{ blob: empty }], 'the artifact has no files'],
  ['a title that leads out', [{ blob: weights, title: '../w' }], 'malformed title'],
  ['an absolute title', [{ blob: weights, title: '/etc/passwd' }], 'malformed title'],
  ['an empty title', [{ blob: weights, title: '' }], 'malformed title'],
  ['a title that is too long', [{ blob: weights, title: 't'.repeat(300) }], 'ENAMETOOLONG'],
])('is refused with %s', async (_, files, reason) => {
  expect((await failure(opened, pull(artifactOf(files)))).text).toContain(reason);
});
