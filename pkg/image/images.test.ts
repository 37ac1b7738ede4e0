import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { createLog } from '#log/log.ts';
import { type Database, openDatabase } from '#store/database.ts';
import { type Images, openImages } from './images.ts';
import { startRegistry, type RegistryServer } from './testdata/registry-server.ts';
import { buildImage, pushImage } from './testdata/test-image.ts';

let registry: RegistryServer;
let root: string;
let database: Database;
let images: Images;
const log = createLog('error');
const never = new AbortController().signal;

beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry[Symbol.asyncDispose]());

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'gantry-images-'));
  database = openDatabase(join(root, 'gantry.db'));
  images = await openImages({ root, certsDirs: [], database, log });
});
afterEach(async () => {
  await images.close();
  database.close();
  rmSync(root, { recursive: true });
});

const base = buildImage([
  {
    entries: [
      { name: './', type: '5', mode: 0o751 },
      { name: 'etc/', type: '5' },
      { name: 'etc/a', content: 'one' },
    ],
  },
  {
    entries: [{ name: 'etc/b', content: 'two', uid: 5 }, { name: 'etc/.wh.a' }],
    compression: 'zstd',
  },
  { entries: [{ name: 'c', content: 'three' }], compression: 'none' },
]);

it('pulls, mounts and removes an image', async () => {
  await pushImage(registry.host, { repository: 'test/base', tag: 'v1' }, base);
  const name = `${registry.host}/test/base`;
  const image = await images.pull(`${name}:v1`, {}, never);
  expect(image.id).toBe(base.config.digest);
  expect(image.repoTags).toEqual([`${name}:v1`]);
  expect(image.repoDigests).toEqual([`${name}@${base.manifest.digest}`]);
  await images.remove(image.id);
  expect(images.list()).toEqual([]);
});
