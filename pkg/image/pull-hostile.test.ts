import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { serving, startFake } from './testdata/fake-registry.ts';
import { openTestImages, type TestImages } from './testdata/open-images.ts';
import { failure } from './testdata/pull-fixture.ts';
import type { TestEntry } from './testdata/tar-archive.ts';
import {
  type Blob,
  blobOf,
  buildImage,
  descriptorOf,
  type TestImage,
} from './testdata/test-image.ts';
import { treeOf } from './testdata/tree-of.ts';

/**
 * Images that mean harm, pulled as any other: each is refused with its reason, nothing outside of its
 * snapshot has changed, and nothing of it is left.
 */

const never = new AbortController().signal;
const maxLayerBytes = 4 << 20;
let stack: AsyncDisposableStack;
let opened: TestImages;
/** What a layer must not reach, by whatever way. */
let outside: string;
let before: unknown;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  opened = stack.use(await openTestImages({ maxLayerBytes, retryGraceMs: 0 }));
  outside = mkdtempSync(join(tmpdir(), 'gantry-outside-'));
  stack.defer(() => rmSync(outside, { recursive: true }));
  mkdirSync(join(outside, 'directory'));
  writeFileSync(join(outside, 'secret'), 'safe', { mode: 0o600 });
  chmodSync(join(outside, 'directory'), 0o700);
  symlinkSync('secret', join(outside, 'link'));
  before = treeOf(outside);
});
afterEach(() => stack.disposeAsync());

async function pull(image: TestImage) {
  const registry = stack.use(await startFake(serving(image)));
  return opened.images.pull(`${registry.host}/test:v1`, {}, never);
}

/** Of the first layer, which is the only one. */
function snapshotOf(): string {
  const [number = ''] = readdirSync(join(opened.root, 'snapshots'));
  return join(opened.root, 'snapshots', number, 'fs');
}

async function expectNothingLeft(): Promise<void> {
  expect(treeOf(outside)).toEqual(before);
  await vi.waitFor(() => {
    for (const directory of ['snapshots', 'content/ingest', 'content/blobs/sha256', 'trash']) {
      const path = join(opened.root, directory);
      expect(existsSync(path) ? readdirSync(path) : [], directory).toEqual([]);
    }
  }, 20_000);
}

const link = (name: string, linkName: string): TestEntry => ({ name, type: '2', linkName });
const hardLink = (name: string, linkName: string): TestEntry => ({ name, type: '1', linkName });
const folder = (name: string, mode = 0o755): TestEntry => ({ name, type: '5', mode });

it.each<[string, (outside: string) => TestEntry[], string]>([
  ['an entry of 100 GB', () => [{ name: 'f', pax: { size: '100000000000' } }], 'more than 4194304'],
  ['an entry of 8 EiB', () => [{ name: 'f', pax: { size: '9223372036854775807' } }], 'number'],
  [
    'an entry without its end',
    () => [{ name: 'f', pax: { size: '4000000' } }],
    'bytes are missing',
  ],
  ['a name of 5000 bytes', () => [{ name: 'f', pax: { path: 'p'.repeat(5000) } }], 'a name of'],
  ['a part of 256 bytes', () => [{ name: 'f', pax: { path: 'p'.repeat(256) } }], 'ENAMETOOLONG'],
  ['a loop of links', () => [link('a', 'b'), link('b', 'a'), { name: 'a/f' }], 'ELOOP'],
  ['a file below a file', () => [{ name: 'f' }, { name: 'f/g' }], 'ENOTDIR'],
  ['a hard link to what is outside', (to) => [hardLink('l', `${to}/secret`)], 'ENOENT'],
  [
    'a hard link by way of a link to the outside',
    (to) => [link('away', to), hardLink('l', 'away/secret')],
    'ENOENT',
  ],
  ['a hard link by ..', (to) => [hardLink('l', `../../../../../..${to}/secret`)], 'ENOENT'],
  ['a hard link to itself that is not there', () => [hardLink('l', 'm')], 'ENOENT'],
  ['a hard link to a directory', () => [folder('d/'), hardLink('l', 'd')], 'EPERM'],
  ['a whiteout of the parent', () => [folder('d/'), { name: 'd/.wh...' }], 'a whiteout of ".."'],
  ['a whiteout of the root', () => [{ name: '.wh..' }], 'a whiteout of "."'],
  ['a sparse file', () => [{ name: 's', type: 'S' }], 'sparse'],
  ['an entry of an unknown type', () => [{ name: 's', type: 'M' }], 'unknown type'],
])('refuses a layer with %s', async (_, entries, reason) => {
  const image = buildImage([{ entries: [{ name: 'good', content: 'x' }, ...entries(outside)] }]);
  const { code, text } = await failure(opened, pull(image));
  expect(text).toContain(reason);
  expect(['failed-precondition', 'internal']).toContain(code);
  await expectNothingLeft();
});

it.each<[string, (outside: string) => TestEntry[], string[]]>([
  [
    'paths with ..',
    (to) => [
      { name: `../../..${to}/secret`, content: 'x' },
      { name: 'd/../../up', content: '' },
    ],
    ['up'],
  ],
  ['absolute paths', (to) => [{ name: `${to}/secret`, content: 'x' }], []],
  [
    'links to the outside that entries follow',
    (to) => [
      folder(to.slice(1)),
      link('away', to),
      { name: 'away/secret', content: 'x', mode: 0o777 },
      { name: 'away/.wh.directory' },
      { name: 'away/.wh..wh..opq' },
      folder('away/directory/', 0o777),
    ],
    ['away'],
  ],
  [
    'a link in place of a directory whose mode comes later, by another way',
    (to) => [
      folder('a/'),
      folder('a/d/', 0o777),
      folder('a/e/', 0o4777),
      link('b', 'a'),
      link('b/d', `${to}/directory`),
      link('b/e', `${to}/secret`),
    ],
    ['a/d', 'a/e', 'b'],
  ],
  [
    'a link in place of a directory that nobody described',
    (to) => [{ name: 'a/d/f' }, link('b', 'a'), link('b/d', `${to}/directory`)],
    ['a/d', 'b'],
  ],
  [
    'files in place of directories that have directories, by another way',
    () => [
      folder('a/'),
      folder('a/d/e/'),
      { name: 'a/f/g/h/i' },
      link('b', 'a'),
      { name: 'b/d' },
      { name: 'b/f' },
    ],
    ['a/d', 'a/f', 'b'],
  ],
  [
    'a link with the attributes of a file',
    (to) => [
      {
        ...link('l', `${to}/secret`),
        mode: 0o4777,
        uid: 7,
        pax: { 'SCHILY.xattr.user.x': 'y', mtime: '1' },
      },
    ],
    ['l'],
  ],
  [
    'what replaces a link',
    (to) => [
      link('l', `${to}/secret`),
      { name: 'l', content: 'x' },
      link('m', `${to}/directory`),
      { name: 'm', type: '5', mode: 0o777 },
      link('n', `${to}/link`),
      { name: 'n', type: '6' },
      link('o', to),
      hardLink('o', 'l'),
    ],
    ['l', 'm', 'n', 'o'],
  ],
])('keeps %s inside of the snapshot', async (_, entries, expected) => {
  await pull(buildImage([{ entries: entries(outside) }]));
  expect(treeOf(outside)).toEqual(before);
  const inside = Object.keys(treeOf(snapshotOf()));
  expect(inside).toEqual(expect.arrayContaining(expected));
});

it('makes device nodes as they are, for whoever may open them', async () => {
  const device: TestEntry = { name: 'mem', type: '3', device: [1, 1], mode: 0o666 };
  await pull(buildImage([{ entries: [device] }]));
  const stat = lstatSync(join(snapshotOf(), 'mem'));
  expect(stat.isCharacterDevice()).toBe(true);
  // What keeps them from being opened is that nobody but root may look into the folder.
  expect(lstatSync(join(opened.root, 'snapshots')).mode & 0o077).toBe(0);
});

const bomb = buildImage([{ entries: [{ name: 'zeros', content: Buffer.alloc(64 << 20) }] }]);
const manyEmpty = Array.from({ length: 10_000 }, (__, n) => ({ name: `empty-${n}` }));

it.each([
  ['one large file', bomb],
  ['many empty files', buildImage([{ entries: manyEmpty }])],
  [
    'zstd',
    buildImage([{ entries: [{ name: 'z', content: Buffer.alloc(8 << 20) }], compression: 'zstd' }]),
  ],
  ['padding after its end', buildImage([{ entries: [{ name: 'f' }], paddingBytes: 8 << 20 }])],
])('refuses a layer that unpacks to more than is allowed, by %s', async (_, image) => {
  const { code, text } = await failure(opened, pull(image));
  expect(code).toBe('failed-precondition');
  expect(text).toContain('it has more than 4194304 bytes, the most that is allowed');
  await expectNothingLeft();
});

const good = buildImage([{ entries: [{ name: 'good' }] }]);
const manifestJson = {
  schemaVersion: 2,
  mediaType: good.manifest.mediaType,
  config: descriptorOf(good.config),
  layers: good.layers.map(descriptorOf),
};
const indexType = 'application/vnd.oci.image.index.v1+json';
const platform = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : 'arm64' };

/** Each of them is in the next one. */
const indexBlobs = Array.from({ length: 6 }).reduce<Blob[]>((inner) => {
  const manifests = [{ ...descriptorOf(inner.at(-1) ?? good.manifest), platform }];
  return [...inner, blobOf(indexType, { schemaVersion: 2, mediaType: indexType, manifests })];
}, []);

/** The good image with another manifest, in the form of bytes or of an object. */
function withManifest(content: Uint8Array | object): TestImage {
  return { ...good, manifest: blobOf(good.manifest.mediaType, content) };
}

function withConfig(content: Uint8Array | object): TestImage {
  const config = blobOf(good.config.mediaType, content);
  return { ...withManifest({ ...manifestJson, config: descriptorOf(config) }), config };
}

function nested(depth: number): Buffer {
  return Buffer.from('['.repeat(depth) + ']'.repeat(depth));
}

const [layer] = manifestJson.layers;

it.each<[string, TestImage, string]>([
  ['a manifest of 9 MB', withManifest(Buffer.alloc(9_000_000, ' ')), 'larger than 8388608 bytes'],
  ['a configuration of 9 MB', withConfig(Buffer.alloc(9_000_000, ' ')), 'larger than'],
  ['a manifest that is no JSON', withManifest(Buffer.from('<html>')), 'read a document'],
  ['a manifest that is null', withManifest(Buffer.from('null')), 'read a document'],
  ['a manifest of a million arrays', withManifest(nested(1_000_000)), 'read a document'],
  [
    'a configuration of a million arrays in each other',
    withConfig(Buffer.from(`{"rootfs":${String(nested(1_000_000))}}`)),
    'read a document',
  ],
  [
    '10,000 layers',
    withManifest({ ...manifestJson, layers: Array(10_000).fill(layer) }),
    '10000 layers, and overlayfs takes 500',
  ],
  [
    'a layer of 9 PB',
    withManifest({ ...manifestJson, layers: [{ ...layer, size: Number.MAX_SAFE_INTEGER }] }),
    'more than 4194304 bytes',
  ],
  ...['-1', '1.5', '1e400', '"1"'].map((size): [string, TestImage, string] => [
    `a layer of ${size} bytes`,
    withManifest(
      Buffer.from(JSON.stringify(manifestJson).replace(/"size":\d+\}\]/, `"size":${size}}]`)),
    ),
    'read a document',
  ]),
  [
    'an index that leads from index to index',
    { ...good, manifest: indexBlobs.at(-1) ?? good.manifest },
    'from index to index',
  ],
])('refuses an image with %s', async (_, image, reason) => {
  const registry = stack.use(await startFake(servingIndexes(image)));
  const pulling = opened.images.pull(`${registry.host}/test:v1`, {}, never);
  expect((await failure(opened, pulling)).text).toContain(reason);
  await expectNothingLeft();
});

/** Serves all of these indexes beside the image. */
function servingIndexes(image: TestImage) {
  return serving(image, ({ url }, response) => {
    const blob = indexBlobs.find(({ digest }) => url?.includes(digest));
    if (blob) response.writeHead(200, { 'content-type': indexType }).end(blob.bytes);
    return blob !== undefined;
  });
}
