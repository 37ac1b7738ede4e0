import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { mountFilesystem, mountTmpfs, unmount } from '#linux/mount.ts';
import { openTestImages, type TestImages } from './testdata/open-images.ts';
import { type RegistryServer, startRegistry } from './testdata/registry-server.ts';
import {
  blobOf,
  buildImage,
  descriptorOf,
  pushImage,
  pushManifest,
  type TestImage,
} from './testdata/test-image.ts';

const never = new AbortController().signal;
let registry: RegistryServer;
let opened: TestImages;

beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry[Symbol.asyncDispose]());
beforeEach(async () => {
  opened = await openTestImages();
});
afterEach(() => opened[Symbol.asyncDispose]());

const base = buildImage(
  [
    {
      entries: [
        { name: './', type: '5', mode: 0o751, uid: 3 },
        { name: 'etc/', type: '5', mode: 0o750 },
        { name: 'etc/a', content: 'one' },
      ],
    },
    {
      entries: [{ name: 'etc/b', content: 'two', uid: 5 }, { name: 'etc/.wh.a' }],
      compression: 'zstd',
    },
    { entries: [{ name: 'c', content: 'three' }], compression: 'none' },
  ],
  {
    config: {
      User: '1000',
      Env: ['A=b'],
      Entrypoint: ['/c'],
      WorkingDir: '/etc',
      Volumes: { '/v': {} },
      Labels: { l: 'm' },
    },
  },
);
const other = buildImage([{ entries: [{ name: 'other', content: 'x'.repeat(10_000) }] }]);

function name(repository: string): string {
  return `${registry.host}/${repository}`;
}

/** Pushes an image, and pulls it. */
async function pulled(repository: string, tag: string, image: TestImage) {
  await pushImage(registry.host, { repository, tag }, image);
  return opened.images.pull(`${name(repository)}:${tag}`, {}, never);
}

/** Waits until what was thrown away is gone from the disk. */
async function emptied(root: string): Promise<void> {
  await vi.waitFor(() => expect(readdirSync(join(root, 'trash'))).toEqual([]), 20_000);
}

function blobNames(root: string): string[] {
  return readdirSync(join(root, 'content/blobs/sha256'))
    .map((hex) => `sha256:${hex}`)
    .toSorted();
}

it('has images on the disk when it closes, for a machine that is about to restart', async () => {
  await pushImage(registry.host, { repository: 'durable', tag: 'v1' }, base);
  await opened.images.pull(`${registry.host}/durable:v1`, {}, never);
  await opened.close();
  using database = new DatabaseSync(join(opened.root, 'gantry.db'), { readOnly: true });
  const rows = database.prepare('SELECT record FROM image_snapshots').all();
  const snapshots = rows.map(({ record }) => JSON.parse(String(record)));
  expect(snapshots).toHaveLength(3);
  // Those with one are thrown away in the next.
  expect(snapshots.map(({ bootId }) => bootId)).toEqual([undefined, undefined, undefined]);
});

it('pulls an image with gzip, zstd and plain layers, and says what it is', async () => {
  const image = await pulled('base', 'v1', base);
  expect(image).toMatchObject({
    id: base.config.digest,
    repoTags: [`${name('base')}:v1`],
    repoDigests: [`${name('base')}@${base.manifest.digest}`],
    sizeBytes: [base.config, ...base.layers].reduce((sum, { bytes }) => sum + bytes.length, 0),
    config: {
      user: '1000',
      env: ['A=b'],
      entrypoint: ['/c'],
      cmd: [],
      workingDir: '/etc',
      volumes: ['/v'],
      labels: { l: 'm' },
    },
  });
  expect(opened.images.list()).toEqual([image]);
});

it('gives containers a root of the layers, with the attributes of the root below', async () => {
  const image = await pulled('base', 'v1', base);
  const mount = await opened.images.prepareRootfs('c1', image.id);
  expect(await opened.images.prepareRootfs('c1', image.id)).toEqual(mount);
  expect(opened.images.rootfsOwners()).toEqual(['c1']);
  const target = join(opened.root, 'target');
  mkdirSync(target);
  mountFilesystem(mount, target);
  try {
    expect(readdirSync(target).toSorted()).toEqual(['c', 'etc']);
    expect(readdirSync(join(target, 'etc'))).toEqual(['b']);
    expect(statSync(target)).toMatchObject({ mode: 0o040_751, uid: 3 });
    expect(statSync(join(target, 'etc')).mode & 0o777).toBe(0o750);
    expect(statSync(join(target, 'etc/b')).uid).toBe(5);
    writeFileSync(join(target, 'etc/a'), 'mine');
  } finally {
    unmount(target);
  }
  // Mounted once more, as after a restart of the daemon: overlayfs would refuse it.
  mountFilesystem(await opened.images.prepareRootfs('c1', image.id), target);
  expect(readFileSync(join(target, 'etc/a'), 'utf8')).toBe('mine');
  unmount(target);
  await opened.images.releaseRootfs('c1');
  await opened.images.releaseRootfs('c1');
  expect(opened.images.rootfsOwners()).toEqual([]);
  expect(readdirSync(join(opened.root, 'containers'))).toEqual([]);
});

it('finds an image by each of its names', async () => {
  const image = await pulled('base', 'latest', base);
  const digits = image.id.slice('sha256:'.length);
  const names = [
    `${name('base')}:latest`,
    name('base'),
    `${name('base')}@${base.manifest.digest}`,
    `${name('base')}:whatever@${base.manifest.digest}`,
    image.id,
    digits,
    digits.slice(0, 8),
    `sha256:${digits.slice(0, 8)}`,
  ];
  for (const each of names) expect(opened.images.find(each)?.id, each).toBe(image.id);
  const strange = [
    `${name('base')}:v2`,
    'base',
    '',
    'UPPER',
    'sha256:',
    `${name('base')}@sha256:${'0'.repeat(64)}`,
  ];
  for (const each of strange) expect(opened.images.find(each), each).toBe(undefined);
});

it('finds nothing by the common beginning of two ids', async () => {
  await Promise.all([pulled('base', 'v1', base), pulled('other', 'v1', other)]);
  expect(opened.images.find('sha256:')).toBe(undefined);
  expect(opened.images.list().length).toBe(2);
});

it('has no tag and one digest after a pull by digest, also when a tag is given with it', async () => {
  await pushImage(registry.host, { repository: 'base', tag: 'v1' }, base);
  const reference = `${name('base')}@${base.manifest.digest}`;
  for (const each of [reference, `${name('base')}:v1@${base.manifest.digest}`]) {
    const image = await opened.images.pull(each, {}, never);
    expect(image).toMatchObject({ repoTags: [], repoDigests: [reference] });
  }
});

it('chooses from an index, of which the digest is the image’s', async () => {
  await pushImage(registry.host, { repository: 'multi', tag: 'amd64' }, base);
  const arm = buildImage([], { architecture: 'arm64' });
  await pushImage(registry.host, { repository: 'multi', tag: 'arm64' }, arm);
  const index = blobOf('application/vnd.oci.image.index.v1+json', {
    schemaVersion: 2,
    manifests: [
      { ...descriptorOf(arm.manifest), platform: { os: 'linux', architecture: 'arm64' } },
      { ...descriptorOf(base.manifest), platform: { os: 'linux', architecture: 'amd64' } },
    ],
  });
  await pushManifest(`http://${registry.host}/v2/multi`, 'all', index);
  const image = await opened.images.pull(`${name('multi')}:all`, {}, never);
  expect(image).toMatchObject({
    id: base.config.digest,
    repoDigests: [`${name('multi')}@${index.digest}`],
  });
  const foreign = opened.images.pull(`${name('multi')}:arm64`, {}, never);
  await expect(foreign).rejects.toMatchObject({ code: 'not-found' });
});

it('moves a tag from one image to another', async () => {
  const before = await pulled('moving', 'v1', base);
  const after = await pulled('moving', 'v1', other);
  expect(opened.images.find(`${name('moving')}:v1`)?.id).toBe(after.id);
  expect(opened.images.find(before.id)).toMatchObject({
    repoTags: [],
    repoDigests: [`${name('moving')}@${base.manifest.digest}`],
  });
});

it('removes an image with all of its names, and all that it alone had', async () => {
  await pulled('keep', 'v1', other);
  const [kept, keptUsage] = [blobNames(opened.root), await opened.images.usage()];
  await pulled('base', 'v1', base);
  await pulled('base-again', 'v2', base);
  expect((await opened.images.usage()).usedBytes).toBeGreaterThan(keptUsage.usedBytes);
  const removals = ['v1', 'v1'].map((tag) => opened.images.remove(`${name('base')}:${tag}`));
  await Promise.all([...removals, opened.images.remove('unknown')]);
  expect(opened.images.list().map(({ id }) => id)).toEqual([other.config.digest]);
  expect(blobNames(opened.root)).toEqual(kept);
  expect(readdirSync(join(opened.root, 'snapshots')).length).toBe(1);
  expect(await opened.images.usage()).toEqual(keptUsage);
  await emptied(opened.root);
});

it('keeps the layers of a removed image as long as a container needs them', async () => {
  const image = await pulled('base', 'v1', base);
  await opened.images.prepareRootfs('c1', image.id);
  await opened.images.remove(image.id);
  expect(readdirSync(join(opened.root, 'snapshots')).length).toBe(3);
  expect(blobNames(opened.root)).toEqual([]);
  await opened.images.releaseRootfs('c1');
  expect(readdirSync(join(opened.root, 'snapshots'))).toEqual([]);
  await expect(opened.images.prepareRootfs('c1', image.id)).rejects.toMatchObject({
    code: 'not-found',
  });
});

it('is the same after a restart, and sweeps what an interrupted daemon left', async () => {
  const image = await pulled('base', 'v1', base);
  const mount = await opened.images.prepareRootfs('c1', image.id);
  const [blobs, usage] = [blobNames(opened.root), await opened.images.usage()];
  const litter = [
    'content/ingest/x',
    'content/blobs/sha256/00',
    'snapshots/77/fs/y',
    'containers/gone/upper/z',
    'trash/t/u',
  ];
  for (const path of litter) {
    mkdirSync(join(opened.root, path, '..'), { recursive: true });
    writeFileSync(join(opened.root, path), '');
  }
  opened = await opened.restart();
  expect(opened.images.list()).toEqual([image]);
  expect(await opened.images.prepareRootfs('c1', image.id)).toEqual(mount);
  expect(await opened.images.usage()).toEqual(usage);
  expect(blobNames(opened.root)).toEqual(blobs);
  for (const path of litter.slice(0, -1))
    expect(existsSync(join(opened.root, path)), path).toBe(false);
  await emptied(opened.root);
  await opened.images.pull(`${name('base')}:v1`, {}, never);
  expect(opened.logged).toEqual([]);
});

it('forgets an image whose layers are gone, and pulls it again', async () => {
  const image = await pulled('base', 'v1', base);
  const { root } = opened;
  rmSync(join(root, 'snapshots/1'), { recursive: true });
  opened = await opened.restart();
  expect(opened.images.list()).toEqual([]);
  expect(opened.logged.join('')).toContain('the image is gone');
  expect(await opened.images.pull(`${name('base')}:v1`, {}, never)).toEqual(image);
});

it('is an OCI image layout', async () => {
  await pulled('base', 'v1', base);
  await pulled('base', 'v2', base);
  await opened.images.pull(`${name('base')}@${base.manifest.digest}`, {}, never);
  const content = join(opened.root, 'content');
  const read = (path: string): unknown => JSON.parse(readFileSync(join(content, path), 'utf8'));
  expect(read('oci-layout')).toEqual({ imageLayoutVersion: '1.0.0' });
  const entry = (tag: string) => ({
    ...descriptorOf(base.manifest),
    annotations: { 'org.opencontainers.image.ref.name': `${name('base')}:${tag}` },
  });
  expect(read('index.json')).toMatchObject({
    schemaVersion: 2,
    manifests: [entry('v1'), entry('v2')],
  });
  for (const { digest, bytes } of [base.manifest, base.config, ...base.layers]) {
    expect(readFileSync(join(content, 'blobs', digest.replace(':', '/'))).equals(bytes)).toBe(true);
  }
});

it('pulls an image without layers', async () => {
  const image = await pulled('scratch', 'v1', buildImage([]));
  const target = join(opened.root, 'target');
  mkdirSync(target);
  mountFilesystem(await opened.images.prepareRootfs('c1', image.id), target);
  expect(readdirSync(target)).toEqual([]);
  unmount(target);
  expect(image.sizeBytes).toBeGreaterThan(0);
});

it('fails with room to spare when the disk is full', async () => {
  const disk = join(opened.root, 'disk');
  const root = join(disk, 'root');
  mkdirSync(disk);
  mountTmpfs(disk, { sizeBytes: 24 << 20, mode: 0o755 });
  mkdirSync(root);
  const big = buildImage([{ entries: [{ name: 'zeros', content: Buffer.alloc(40 << 20) }] }]);
  await pushImage(registry.host, { repository: 'big', tag: 'v1' }, big);
  try {
    await using small = await openTestImages({ root });
    const pull = small.images.pull(`${name('big')}:v1`, {}, never);
    await expect(pull).rejects.toMatchObject({ code: 'resource-exhausted' });
    await emptied(root);
    expect(small.images.list()).toEqual([]);
    await vi.waitFor(() => expect(blobNames(root)).toEqual([]), 20_000);
    expect(readdirSync(join(root, 'snapshots'))).toEqual([]);
  } finally {
    unmount(disk);
  }
});
