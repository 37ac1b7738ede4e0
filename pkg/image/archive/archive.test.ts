import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { describe as story } from '#errors/fault.ts';
import { mountTmpfs, unmount } from '#linux/mount.ts';
import { openTestImages, type TestImages } from '#image/testdata/open-images.ts';
import { tarArchive, type TestEntry } from '#image/testdata/tar-archive.ts';
import {
  blobOf,
  buildImage,
  descriptorOf,
  digestOf,
  type TestImage,
} from '#image/testdata/test-image.ts';
import type { ArchiveFormat } from './export-formats.ts';

const never = new AbortController().signal;
const indexType = 'application/vnd.oci.image.index.v1+json';
let opened: TestImages;

beforeEach(async () => {
  opened = await openTestImages();
});
afterEach(() => opened[Symbol.asyncDispose]());

const image = buildImage([
  { entries: [{ name: 'a', content: 'x'.repeat(100_000) }] },
  { entries: [{ name: 'b', content: 'y' }], compression: 'zstd' },
  { entries: [{ name: 'c', content: 'z' }], compression: 'none' },
]);
const name = 'example.com/team/app:v1';

function blobEntries({ layers, config, manifest }: TestImage): TestEntry[] {
  return [...layers, config, manifest].map(({ digest, bytes }) => ({
    name: `blobs/sha256/${digest.slice(7)}`,
    content: bytes,
  }));
}

function layoutEntries(
  from: TestImage,
  annotations: Readonly<Record<string, string>> = { 'org.opencontainers.image.ref.name': name },
): TestEntry[] {
  const manifests = [{ ...descriptorOf(from.manifest), annotations }];
  return [
    ...blobEntries(from),
    { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
    { name: 'index.json', content: JSON.stringify({ schemaVersion: 2, manifests }) },
  ];
}

/** As Docker wrote them for long: plain layers in folders, of which equal ones are links. */
function dockerEntries(RepoTags: readonly string[] | null = [name]): TestEntry[] {
  const layers = [
    tarArchive([{ name: 'a', content: 'one' }]),
    tarArchive([{ name: 'b', content: 'two' }]),
  ];
  const diffIds = [...layers, ...layers.slice(0, 1)].map(digestOf);
  const config = {
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: diffIds },
  };
  const manifest = [
    { Config: 'config.json', RepoTags, Layers: ['1/layer.tar', '2/layer.tar', '3/layer.tar'] },
  ];
  return [
    { name: '1/', type: '5' },
    { name: '1/layer.tar', content: layers[0] ?? '' },
    { name: '2/layer.tar', content: layers[1] ?? '' },
    { name: '3/layer.tar', type: '2', linkName: '../1/layer.tar' },
    { name: 'config.json', content: JSON.stringify(config) },
    { name: 'manifest.json', content: JSON.stringify(manifest) },
  ];
}

function importBytes(bytes: Uint8Array, options: { readonly name?: string } = {}) {
  return opened.images.import(Readable.from([bytes]), options, never);
}

const importEntries = (entries: readonly TestEntry[], options?: { readonly name?: string }) =>
  importBytes(tarArchive(entries), options);

async function exported(references: readonly string[], format: ArchiveFormat): Promise<Buffer> {
  const stream = new PassThrough();
  const chunks = stream.toArray();
  await opened.images.export({ references, format }, stream, never);
  return Buffer.concat(await chunks);
}

/** The whole story of why something failed. */
async function failure(work: Promise<unknown>): Promise<string> {
  return work.then(() => 'it succeeded', story);
}

/** Nothing but the frame of the store is there, once what was thrown away is gone. */
async function expectNothingLeft(): Promise<void> {
  const contents = (path: string) => readdirSync(join(opened.root, path));
  expect(opened.images.list()).toEqual([]);
  expect(contents('content/ingest')).toEqual([]);
  await vi.waitFor(() => {
    expect(contents('content/blobs/sha256')).toEqual([]);
    expect(contents('snapshots')).toEqual([]);
    expect(contents('trash')).toEqual([]);
  }, 20_000);
}

describe('import', () => {
  it.each([
    ['plain', (bytes: Buffer) => bytes],
    ['gzip', (bytes: Buffer) => gzipSync(bytes)],
    ['zstd', (bytes: Buffer) => zstdCompressSync(bytes)],
  ])('enters the image of an OCI layout, %s', async (_, pack) => {
    const [imported] = await importBytes(pack(tarArchive(layoutEntries(image))));
    expect(imported).toMatchObject({
      id: image.config.digest,
      repoTags: [name],
      repoDigests: [`example.com/team/app@${image.manifest.digest}`],
    });
    expect(opened.images.list()).toEqual([imported]);
    await opened.images.prepareRootfs('c1', image.config.digest);
    expect(readdirSync(join(opened.root, 'content/ingest'))).toEqual([]);
  });

  it('enters the image of a docker-archive, with links, and a name of its own', async () => {
    const [imported] = await importEntries(dockerEntries(), { name: 'other:v2' });
    expect(imported?.repoTags).toEqual(['docker.io/library/other:v2']);
    expect(imported?.chainIds).toHaveLength(3);
  });

  it('gives an image all of the tags that the archive has for it', async () => {
    await importEntries(dockerEntries(['a:1', 'b:2']));
    expect(opened.images.list().map(({ repoTags }) => repoTags)).toEqual([
      ['docker.io/library/a:1', 'docker.io/library/b:2'],
    ]);
  });

  it('follows an index to the image of this machine, without the blobs of others', async () => {
    const manifests = [
      { ...descriptorOf(image.manifest), platform: { os: 'linux', architecture: 'amd64' } },
      {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest: digestOf(Buffer.from('not here')),
        size: 8,
        platform: { os: 'linux', architecture: 's390x' },
      },
    ];
    const index = blobOf(indexType, { schemaVersion: 2, mediaType: indexType, manifests });
    const entries = layoutEntries({ ...image, manifest: index });
    const { digest, bytes } = image.manifest;
    await importEntries([...entries, { name: `blobs/sha256/${digest.slice(7)}`, content: bytes }]);
    expect(opened.images.find(name)?.repoDigests).toEqual([`example.com/team/app@${index.digest}`]);
  });

  it('is seen in progress, and after it', async () => {
    await importEntries(layoutEntries(image));
    expect(opened.images.pulls()).toMatchObject([
      { kind: 'import', reference: name, outcome: { kind: 'done', imageId: image.config.digest } },
    ]);
    expect(opened.images.pulls()[0]?.layers.map(({ stage }) => stage)).toEqual([
      'done',
      'done',
      'done',
    ]);
  });

  it('is as durable as a pull: the image is there after a restart', async () => {
    await importEntries(layoutEntries(image));
    opened = await opened.restart();
    expect(opened.images.find(name)?.id).toBe(image.config.digest);
  });

  it('leaves nothing when the one who sends goes away', async () => {
    const gone = new AbortController();
    const bytes = new PassThrough();
    const importing = opened.images.import(bytes, {}, gone.signal);
    bytes.write(tarArchive(layoutEntries(image)).subarray(0, 3000));
    const ingest = join(opened.root, 'content/ingest');
    await vi.waitFor(() => expect(readdirSync(ingest)).toHaveLength(1), 20_000);
    gone.abort();
    await expect(importing).rejects.toThrow();
    await vi.waitFor(() => expect(readdirSync(ingest)).toEqual([]), 20_000);
    await expectNothingLeft();
  });
});

/** Another blob than its name says. */
const forged = layoutEntries(image).map((entry, n) =>
  n === 0 ? { ...entry, content: 'forged' } : entry,
);
const lying = buildImage([{ entries: [{ name: 'a', content: 'a' }] }], {
  rootfs: { type: 'layers', diff_ids: [digestOf(Buffer.from('a lie'))] },
});
const whole = tarArchive(layoutEntries(image));
const packed = gzipSync(whole);

/** A header that announces bytes which do not come. */
function announcing(bytes: bigint): Buffer {
  const archive = tarArchive([{ name: 'blobs/sha256/x', content: '' }]);
  archive.fill(0, 124, 136)[124] = 0x80;
  archive.writeBigUInt64BE(bytes, 128);
  archive.fill(' ', 148, 156);
  const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  archive.write(sum.toString(8).padStart(7, '0'), 148, 'latin1');
  return archive;
}

const hostile: readonly (readonly [string, Uint8Array, string | RegExp])[] = [
  ['nothing', Buffer.alloc(0), 'neither an OCI image layout nor a docker-archive'],
  ['what is no archive', Buffer.alloc(4096, 'x'), 'read tar'],
  ['an archive of other things', tarArchive([{ name: 'a', content: '' }]), 'neither an OCI image'],
  ['a truncated archive', whole.subarray(0, whole.length / 2), 'read tar: the end is missing'],
  ['a truncated gzip', packed.subarray(0, -20), 'decompress gzip: the end is missing'],
  [
    'a gzip with a wrong checksum',
    Buffer.from(packed).fill(0, packed.length - 8),
    'decompress gzip',
  ],
  ['a blob with another digest', tarArchive(forged), 'has the digest'],
  ['a layer with another diff id', tarArchive(layoutEntries(lying)), 'its content has the digest'],
  ['a layout without a blob', tarArchive(layoutEntries(image).slice(1)), 'it has no blob'],
  [
    'a path with ..',
    tarArchive([{ name: 'blobs/../../../etc/x', content: '' }]),
    'leads out of the archive',
  ],
  ['an absolute path', tarArchive([{ name: '/etc/x', content: '' }]), 'leads out of the archive'],
  [
    'a link that leads out',
    tarArchive([{ name: 'index.json', type: '2', linkName: '../../etc/passwd' }]),
    '"../../etc/passwd" leads out of the archive',
  ],
  [
    'links that go round',
    tarArchive([
      { name: 'manifest.json', type: '2', linkName: 'b' },
      { name: 'b', type: '1', linkName: 'manifest.json' },
    ]),
    'neither an OCI image',
  ],
  ['a device', tarArchive([{ name: 'x', type: '4', device: [8, 0] }]), 'is a device or a pipe'],
  ['a file of an exabyte', announcing(1n << 52n), 'and there is room for'],
  ['a file that does not come', announcing(1_000_000n), 'missing at the end'],
  [
    'too many entries',
    tarArchive(Array.from({ length: 10_001 }, (_, n) => ({ name: `${n}`, type: '5' }))),
    'more than 10000 entries',
  ],
  [
    'a huge document',
    tarArchive([{ name: 'manifest.json', content: Buffer.alloc((8 << 20) + 1, ' ') }]),
    'more than the 8388608 allowed',
  ],
  [
    'a document of another form',
    tarArchive([{ name: 'manifest.json', content: '{"a":1}' }]),
    'read a document of the image',
  ],
  ['no image', tarArchive([{ name: 'manifest.json', content: '[]' }]), 'there is no image in it'],
  ['an image without a name', tarArchive(dockerEntries(null)), 'give it a name'],
  [
    'a bare tag for a name',
    tarArchive(layoutEntries(image, { 'org.opencontainers.image.ref.name': 'v1' })),
    'give it a name',
  ],
  [
    'a name with the digest of another image',
    tarArchive(layoutEntries(image, { 'io.containerd.image.name': `a@${digestOf(packed)}` })),
    'came with the digest',
  ],
];

it.each(hostile)('import refuses %s, and leaves nothing', async (_, bytes, message) => {
  expect(await failure(importBytes(bytes))).toMatch(message);
  await expectNothingLeft();
});

it('import keeps what was there before when it fails', async () => {
  await importEntries(layoutEntries(image));
  expect(await failure(importBytes(tarArchive(forged)))).toMatch('has the digest');
  await opened.images.export(
    { references: [name], format: 'oci' },
    new PassThrough().resume(),
    never,
  );
});

const large = { name: 'large', content: Buffer.alloc(30 << 20) };

it.each([
  ['the archive', tarArchive([large]), 'receive the archive'],
  ['what is in it', gzipSync(tarArchive([large])), 'and there is room for'],
  ['a layer', tarArchive(layoutEntries(buildImage([{ entries: [large] }]))), 'unpack layer'],
])('import fails when there is no room for %s, and leaves room', async (_, bytes, message) => {
  const disk = mkdtempSync(join(tmpdir(), 'gantry-disk-'));
  mountTmpfs(disk, { sizeBytes: 24 << 20, mode: 0o755 });
  try {
    await opened[Symbol.asyncDispose]();
    const root = join(disk, 'root');
    mkdirSync(root);
    opened = await openTestImages({ root });
    const importing = importBytes(bytes);
    await expect(importing).rejects.toMatchObject({ code: 'resource-exhausted' });
    expect(await failure(importing)).toMatch(message);
    await expectNothingLeft();
    await opened.close();
  } finally {
    unmount(disk);
    rmdirSync(disk);
  }
});

describe('export', () => {
  it.each(['oci', 'docker'] as const)('in the format %s can be imported again', async (format) => {
    const [before] = await importEntries(layoutEntries(image));
    await opened.images.tag(name, 'second:tag');
    const archive = await exported([image.config.digest], format);
    await opened.images.remove(name);
    await expectNothingLeft();
    const after = await importBytes(archive);
    expect(after.at(-1)).toMatchObject({ id: before?.id, chainIds: before?.chainIds });
    expect(opened.images.find(name)?.id).toBe(before?.id);
  });

  it('by tag has that tag only, and keeps the digest that registries know', async () => {
    await importEntries(layoutEntries(image));
    await opened.images.tag(name, 'second:tag');
    const archive = await exported(['second:tag'], 'oci');
    await opened.images.remove(name);
    expect(await importBytes(archive)).toMatchObject([
      {
        repoTags: ['docker.io/library/second:tag'],
        repoDigests: [`docker.io/library/second@${image.manifest.digest}`],
      },
    ]);
  });

  it('puts several images into one archive, with what they share once', async () => {
    await importEntries(layoutEntries(image));
    await importEntries(dockerEntries(['other:1']));
    const both = await exported([name, 'other:1'], 'oci');
    const twice = await exported([name, name], 'oci');
    expect(twice.length).toBeLessThan(both.length);
    await opened.images.remove(name);
    await opened.images.remove('other:1');
    expect(await importBytes(both)).toHaveLength(2);
  });

  it('has artifacts in the format oci only', async () => {
    const config = blobOf('application/vnd.oci.empty.v1+json', {});
    const file = {
      ...blobOf('text/plain', Buffer.from('hello')),
      annotations: { 'org.opencontainers.image.title': 'hello.txt' },
    };
    const manifest = blobOf('application/vnd.oci.image.manifest.v1+json', {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      artifactType: 'application/vnd.example',
      config: descriptorOf(config),
      layers: [{ ...descriptorOf(file), annotations: file.annotations }],
    });
    const [before] = await importEntries(layoutEntries({ manifest, config, layers: [file] }));
    const wanted = { references: [name], format: 'docker' } as const;
    const destination = new PassThrough();
    expect(await failure(opened.images.export(wanted, destination, never))).toMatch('use oci');
    const archive = await exported([name], 'oci');
    await opened.images.remove(name);
    expect(await importBytes(archive)).toEqual([before]);
  });

  it('is the same every time', async () => {
    await importEntries(layoutEntries(image));
    expect(await exported([name], 'docker')).toEqual(await exported([name], 'docker'));
  });

  it('of what is not there says so, and leaves the destination open', async () => {
    const destination = new PassThrough();
    const wanted = { references: ['none:1'], format: 'oci' } as const;
    await expect(opened.images.export(wanted, destination, never)).rejects.toMatchObject({
      code: 'not-found',
    });
    expect(destination.destroyed).toBe(false);
  });

  it('says so before it begins when a blob of the store is damaged', async () => {
    await importEntries(layoutEntries(image));
    const path = join(opened.root, 'content/blobs/sha256', image.config.digest.slice(7));
    truncateSync(path, 3);
    const destination = new PassThrough();
    const wanted = { references: [name], format: 'oci' } as const;
    expect(await failure(opened.images.export(wanted, destination, never))).toMatch('in the store');
    expect(destination.readableLength).toBe(0);
  });

  it('keeps the blobs until it is done', async () => {
    await importEntries(layoutEntries(image));
    const destination = new PassThrough({ highWaterMark: 1 });
    const wanted = { references: [name], format: 'oci' } as const;
    const exporting = opened.images.export(wanted, destination, never);
    await once(destination, 'readable');
    await opened.images.remove(name);
    const blob = join(opened.root, 'content/blobs/sha256', image.config.digest.slice(7));
    expect(existsSync(blob)).toBe(true);
    destination.resume();
    await exporting;
    await vi.waitFor(() => expect(existsSync(blob)).toBe(false), 20_000);
  });
});

describe('tag', () => {
  it('gives an image a name more, and takes it from another', async () => {
    await importEntries(layoutEntries(image));
    await importEntries(dockerEntries(['other:1']));
    const tagged = await opened.images.tag('other:1', name);
    expect(tagged.repoTags).toEqual(['docker.io/library/other:1', name]);
    expect(opened.images.find(name)?.id).toBe(tagged.id);
    expect(opened.images.find(image.config.digest)?.repoTags).toEqual([]);
    const before = opened.images.list();
    opened = await opened.restart();
    expect(opened.images.list()).toEqual(before);
  });

  it('refuses a name with a digest, and an image that is not there', async () => {
    await importEntries(layoutEntries(image));
    const named = opened.images.tag(name, `a@${image.manifest.digest}`);
    await expect(named).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(opened.images.tag('none:1', 'a:1')).rejects.toMatchObject({ code: 'not-found' });
  });
});
