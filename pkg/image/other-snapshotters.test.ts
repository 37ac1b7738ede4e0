import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { openTestImages, type TestImages } from './testdata/open-images.ts';
import { type RegistryServer, startRegistry } from './testdata/registry-server.ts';
import { buildImage, pushImage } from './testdata/test-image.ts';

const never = new AbortController().signal;
const image = buildImage([
  { entries: [{ name: 'etc/a', content: 'one' }] },
  { entries: [{ name: 'etc/b', content: 'two' }, { name: 'etc/.wh.a' }] },
]);
let registry: RegistryServer;
let opened: TestImages;
let reference: string;

beforeAll(async () => {
  registry = await startRegistry();
  reference = `${registry.host}/other/image:1`;
  await pushImage(registry.host, { repository: 'other/image', tag: '1' }, image);
});
afterAll(() => registry[Symbol.asyncDispose]());
beforeEach(async () => {
  opened = await openTestImages({ otherSnapshotters: ['native'] });
});
afterEach(() => opened[Symbol.asyncDispose]());

/** The snapshots of the other snapshotter. */
const snapshots = () => readdirSync(join(opened.root, 'snapshotters/native/snapshots'));

it('unpacks an image for another snapshotter when a container first asks for it', async () => {
  const { id } = await opened.images.pull(reference, {}, never);
  expect(snapshots()).toEqual([]);
  const { source, type } = await opened.images.prepareRootfs('c1', id, 'native');
  expect(type).not.toBe('overlay');
  expect(readdirSync(join(source, 'etc'))).toEqual(['b']);
  expect(snapshots()).toHaveLength(2);
  await opened.images.prepareRootfs('c2', id, 'native');
  expect(snapshots()).toHaveLength(2);
  expect((await opened.images.prepareRootfs('c3', id)).type).toBe('overlay');
});

it('counts what is unpacked, and removes it with the image and its containers', async () => {
  const { id } = await opened.images.pull(reference, {}, never);
  const before = await opened.images.usage();
  await opened.images.prepareRootfs('c1', id, 'native');
  expect((await opened.images.usage()).usedBytes).toBeGreaterThan(before.usedBytes);
  await opened.images.remove(reference);
  expect(snapshots()).toHaveLength(2);
  await opened.images.releaseRootfs('c1');
  expect(snapshots()).toEqual([]);
});

it('goes on with its containers after a restart without it, and keeps nothing for others', async () => {
  const { id } = await opened.images.pull(reference, {}, never);
  const { source } = await opened.images.prepareRootfs('c1', id, 'native');
  await opened.close();
  opened = await openTestImages({ root: opened.root });
  expect(await opened.images.prepareRootfs('c1', id)).toMatchObject({ source });
  await opened.images.releaseRootfs('c1');
  expect(snapshots()).toEqual([]);
});

it('refuses one that does not work there, and leaves no trace of it', async () => {
  const { root } = opened;
  await opened.close();
  await expect(openTestImages({ root, otherSnapshotters: ['btrfs'] })).rejects.toThrow('btrfs');
  expect(existsSync(join(root, 'snapshotters/btrfs'))).toBe(false);
  opened = await openTestImages({ root });
});
