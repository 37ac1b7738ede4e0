import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { DownloadProgress } from '#image/download-progress.ts';
import { tarArchive, type TestEntry } from '#image/testdata/tar-archive.ts';
import { makeSpecimens } from '#image/testdata/specimens.ts';
import { treeOf } from '#image/testdata/tree-of.ts';
import { WorkerPool } from '#image/worker/worker-pool.ts';
import { attributesOf } from './attributes.ts';
import type { Extracted } from './extract.ts';
import type { LayerCalls } from './layer-worker.ts';
import { Tree } from './tree.ts';

const never = new AbortController().signal;
const workers = new WorkerPool<LayerCalls>({
  script: new URL('layer-worker.ts', import.meta.url),
  maxWorkers: 1,
  callsPerWorker: 1,
  idleMs: 60_000,
});
const scratch = mkdtempSync(join(tmpdir(), 'gantry-extract-'));
let target: string;
let count = 0;

beforeEach(() => {
  count += 1;
  target = join(scratch, String(count), 'target');
  mkdirSync(target, { recursive: true });
});
afterAll(async () => {
  await workers.close();
  rmSync(scratch, { recursive: true });
});

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Unpacks an archive in a layer worker, as a pull does. */
async function unpack(archive: Buffer, pack = (tar: Buffer) => tar): Promise<Extracted> {
  const path = `${target}.layer`;
  writeFileSync(path, pack(archive));
  const fd = openSync(path, 'r');
  const progress = new DownloadProgress();
  progress.advanceTo(pack(archive).length);
  progress.complete();
  const request = {
    fd,
    progress: progress.shared,
    directory: target,
    diffId: digestOf(archive),
    whiteouts: 'marks',
    fileName: undefined,
    maxBytes: 1 << 30,
  } as const;
  try {
    return await workers.call('unpack', request, never);
  } finally {
    closeSync(fd);
  }
}

/** The Fault that unpacking these entries ends with. */
async function refusal(...entries: TestEntry[]): Promise<string> {
  return unpackEntries(...entries).then(
    () => 'unpacked',
    (error: Error) => error.message,
  );
}

function unpackEntries(...entries: TestEntry[]): Promise<Extracted> {
  return unpack(tarArchive(entries));
}

it.each(['gnu', 'pax'])('unpacks an archive of the format %s as GNU tar does', async (format) => {
  const [source, expected] = [`${target}-source`, `${target}-expected`];
  for (const directory of [source, expected]) mkdirSync(directory);
  makeSpecimens(source);
  const xattrs = format === 'pax' ? ['--xattrs', '--xattrs-include=*'] : [];
  const options = ['--numeric-owner', ...xattrs];
  const archive = `${target}.tar`;
  execFileSync('tar', [`--format=${format}`, ...options, '-C', source, '-cf', archive, '.']);
  execFileSync('tar', [...options, '-C', expected, '-xpf', archive]);
  const { implicitDirectories, inodes, usedBytes } = await unpack(readFileSync(archive));
  expect(treeOf(target)).toEqual(treeOf(expected));
  expect(implicitDirectories).toEqual([]);
  expect(inodes).toBe(Object.keys(treeOf(target)).length - 2);
  expect(usedBytes).toBeGreaterThan(3_000_001);
});

const hello = tarArchive([{ name: 'hello', content: 'x'.repeat(700_000) }]);
const half = Math.floor(hello.length / 2);
const parts = [hello.subarray(0, half), hello.subarray(half)];
const skippable = Buffer.from('502a4d1803000000aabbcc', 'hex');

it.each([
  ['plain', (tar: Buffer) => tar],
  ['gzip', (tar: Buffer) => gzipSync(tar)],
  ['gzip in several members', () => Buffer.concat(parts.map((part) => gzipSync(part)))],
  ['gzip with zeros after it', (tar: Buffer) => Buffer.concat([gzipSync(tar), Buffer.alloc(5000)])],
  ['zstd', (tar: Buffer) => zstdCompressSync(tar)],
  ['zstd in several frames', () => Buffer.concat(parts.map((part) => zstdCompressSync(part)))],
  [
    'zstd after a skippable frame',
    (tar: Buffer) => Buffer.concat([skippable, zstdCompressSync(tar)]),
  ],
])('unpacks %s', async (_, pack) => {
  await unpack(hello, pack);
  expect(readFileSync(join(target, 'hello')).length).toBe(700_000);
});

it.each([
  [
    'gzip that is cut off',
    (tar: Buffer) => gzipSync(tar).subarray(0, -5),
    'gzip: the end is missing',
  ],
  ['gzip with a wrong checksum', (tar: Buffer) => flipped(gzipSync(tar), -6), 'gzip: zlib error'],
  [
    'gzip with something else after it',
    (tar: Buffer) => Buffer.concat([gzipSync(tar), Buffer.from('else')]),
    'gzip: zlib error',
  ],
  [
    'zstd that is cut off',
    (tar: Buffer) => zstdCompressSync(tar).subarray(0, -5),
    'zstd: the end is missing',
  ],
  ['zstd that is damaged', (tar: Buffer) => flipped(zstdCompressSync(tar), 12), 'zstd: '],
  ['a tar that is cut off', (tar: Buffer) => tar.subarray(0, 5000), 'missing'],
  [
    'another tar',
    (tar: Buffer) => Buffer.concat([tar, Buffer.alloc(512)]),
    'its content has the digest',
  ],
])('refuses %s', async (_, pack, reason) => {
  await expect(unpack(hello, pack)).rejects.toThrow(reason);
  await expect(unpack(hello, pack)).rejects.toThrow(`unpack layer "${digestOf(hello)}"`);
});

function flipped(bytes: Buffer, index: number): Buffer {
  const copy = Buffer.from(bytes);
  const at = index < 0 ? copy.length + index : index;
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}

it('unpacks names and links of GNU and pax, and numbers beyond octal', async () => {
  const long = 'n'.repeat(150);
  await unpackEntries(
    { name: '././@LongLink', type: 'L', content: `${long}\0` },
    { name: 'short', content: 'gnu' },
    {
      name: 'pax_global_header',
      type: 'g',
      content: '52 comment=0123456789012345678901234567890123456789\n',
    },
    {
      name: 'x',
      content: 'pax',
      pax: { path: 'p/q', uid: '4294967294', gid: '70000', mtime: '-1.5' },
    },
    { name: '././@LongLink', type: 'K', content: `${long}\0` },
    { name: 'link', type: '2', linkName: 'short' },
  );
  expect(readFileSync(join(target, long), 'utf8')).toBe('gnu');
  expect(treeOf(target)['p/q']).toMatchObject({
    owner: '4294967294:70000',
    modified: '-2.500000000',
  });
  expect(readlinkSync(join(target, 'link'))).toBe(long);
});

it('keeps what no layer may do inside of the directory of the layer', async () => {
  const outside = join(scratch, String(count));
  writeFileSync(join(outside, 'secret'), 'safe');
  await unpackEntries(
    { name: '../up', content: '' },
    { name: '/absolute', content: '' },
    { name: 'a/../../../b', content: '' },
    { name: 'away', type: '2', linkName: outside },
    { name: 'up-link', type: '2', linkName: '../..' },
    { name: 'etc/', type: '5' },
    { name: 'abs-link', type: '2', linkName: '/etc' },
    { name: 'abs-link/inside', content: '' },
    { name: 'up-link/also-inside', content: '' },
  );
  expect(readdirSync(outside).toSorted()).toEqual(['secret', 'target', 'target.layer']);
  expect(Object.keys(treeOf(target))).toEqual([
    'abs-link',
    'absolute',
    'also-inside',
    'away',
    'b',
    'etc',
    'etc/inside',
    'up',
    'up-link',
  ]);
});

it.each<[string, TestEntry[]]>([
  [
    'a link out',
    [
      { name: 'away', type: '2', linkName: '/nowhere/at/all' },
      { name: 'away/secret', content: 'x' },
    ],
  ],
  ['a hard link out', [{ name: 'l', type: '1', linkName: '../secret' }]],
  [
    'a hard link through a link',
    [
      { name: 'away', type: '2', linkName: '../' },
      { name: 'l', type: '1', linkName: 'away/../secret' },
    ],
  ],
  [
    'a path through a file',
    [
      { name: 'f', content: '' },
      { name: 'f/g', content: '' },
    ],
  ],
  ['a whiteout of the parent', [{ name: '.wh...', content: '' }]],
  ['a whiteout of the directory', [{ name: '.wh..', content: '' }]],
  ['a whiteout of nothing', [{ name: '.wh.', content: '' }]],
  ['a sparse file', [{ name: 's', type: 'S' }]],
  ['a sparse file of pax', [{ name: 's', pax: { 'GNU.sparse.major': '1' } }]],
  ['an unknown type', [{ name: 's', type: 'Z' }]],
  ['a huge header', [{ name: 's', pax: { comment: 'c'.repeat(1 << 20) } }]],
  ['a long name', [{ name: 's', pax: { path: 'p/'.repeat(3000) } }]],
  ['a name with a zero', [{ name: 's', pax: { path: 'a\0b' } }]],
  ['a mad number', [{ name: 's', pax: { size: '-1' } }]],
])('refuses %s, and touches nothing outside', async (_, entries) => {
  const outside = join(scratch, String(count));
  writeFileSync(join(outside, 'secret'), 'safe');
  expect(await refusal(...entries)).toContain('unpack layer');
  expect(readdirSync(outside).toSorted()).toEqual(['secret', 'target', 'target.layer']);
  expect(lstatSync(join(outside, 'secret')).nlink).toBe(1);
  using tree = new Tree(scratch);
  expect(attributesOf(tree.find(String(count))).xattrs.size).toBe(0);
});

it('refuses a header with a wrong checksum', async () => {
  await expect(unpack(flipped(hello, 0))).rejects.toThrow('wrong checksum');
});

it('turns whiteouts into what overlayfs knows, but hides nothing of its own layer', async () => {
  await unpackEntries(
    { name: 'dir/.wh.gone' },
    { name: 'opaque/.wh..wh..opq' },
    { name: 'opaque/new', content: 'new' },
    { name: '.wh..wh.plnk', type: '5' },
    { name: 'own', content: 'stays' },
    { name: '.wh.own' },
    { name: 'replaced/', type: '5' },
    { name: '.wh.replaced' },
    { name: '.wh.later' },
    { name: 'later/', type: '5' },
    { name: '.wh.later-file' },
    { name: 'later-file', content: 'new' },
  );
  const tree = treeOf(target);
  const whiteout = { type: 0o020_000, device: 0 };
  const opaque = { xattrs: { 'trusted.overlay.opaque': 'y' } };
  expect(tree['dir/gone']).toMatchObject(whiteout);
  expect(tree['opaque']).toMatchObject(opaque);
  expect(tree['replaced']).toMatchObject(opaque);
  expect(tree['later']).toMatchObject(opaque);
  expect(readFileSync(join(target, 'own'), 'utf8')).toBe('stays');
  expect(readFileSync(join(target, 'later-file'), 'utf8')).toBe('new');
  expect(existsSync(join(target, '.wh..wh.plnk'))).toBe(false);
});

it('lets later entries replace earlier ones', async () => {
  await unpackEntries(
    { name: 'file', content: 'first' },
    { name: 'file', content: 'second' },
    { name: 'tree/', type: '5', mode: 0o700 },
    { name: 'tree/inner/', type: '5' },
    { name: 'tree/inner/file', content: '' },
    { name: 'tree', content: 'now a file' },
    { name: 'link', type: '2', linkName: 'file' },
    { name: 'link/', type: '5' },
    { name: 'link/file', content: 'below' },
    { name: 'twice/', type: '5', mode: 0o700, uid: 7 },
    { name: 'twice/kept', content: '' },
    { name: 'twice/', type: '5', mode: 0o711 },
    { name: 'self', content: 'kept' },
    { name: 'self', type: '1', linkName: 'self' },
  );
  expect(readFileSync(join(target, 'file'), 'utf8')).toBe('second');
  expect(readFileSync(join(target, 'tree'), 'utf8')).toBe('now a file');
  expect(readFileSync(join(target, 'link/file'), 'utf8')).toBe('below');
  expect(treeOf(target)['twice']).toMatchObject({ mode: '711', owner: '0:0' });
  expect(existsSync(join(target, 'twice/kept'))).toBe(true);
  expect(readFileSync(join(target, 'self'), 'utf8')).toBe('kept');
});

it('links across more directories than it keeps open', async () => {
  const many = Array.from({ length: 64 }, (_, n) => ({ name: `many-${n}/file`, content: '' }));
  const link = { name: 'many-0/link', type: '1', linkName: 'target/file' };
  await unpackEntries({ name: 'target/file', content: 'linked' }, ...many, link);
  expect(readFileSync(join(target, 'many-0/link'), 'utf8')).toBe('linked');
});

it("drops overlayfs's own attributes, and keeps others", async () => {
  await unpackEntries({
    name: 'd/',
    type: '5',
    pax: {
      'SCHILY.xattr.trusted.overlay.redirect': '/etc',
      'SCHILY.xattr.trusted.mine': 'a\xff\n',
    },
  });
  expect(treeOf(target)['d']).toMatchObject({ xattrs: { 'trusted.mine': 'a\xff\n' } });
});

it('gives directories that a layer leaves out the attributes of those below', async () => {
  const [lower, middle] = [`${target}-lower`, `${target}-middle`];
  for (const directory of [lower, middle]) mkdirSync(directory);
  mkdirSync(join(lower, 'a/b'), { recursive: true });
  chownSync(join(lower, 'a'), 5, 6);
  chmodSync(join(lower, 'a'), 0o1770);
  execFileSync('touch', ['-d', '2001-02-03T04:05:06.123456789Z', join(lower, 'a')]);
  chmodSync(lower, 0o711);
  execFileSync('mknod', [join(middle, 'gone'), 'c', '0', '0']);
  mkdirSync(join(lower, 'gone'), { mode: 0o700 });
  const { implicitDirectories } = await unpackEntries(
    { name: 'a/b/file', content: '' },
    { name: 'gone/file', content: '' },
    { name: 'new/file', content: '' },
  );
  expect(implicitDirectories.toSorted()).toEqual(['', 'a', 'a/b', 'gone', 'new']);
  const lowers = [middle, lower];
  const request = { directory: target, paths: implicitDirectories, lowers };
  await workers.call('inherit', request, never);
  const tree = treeOf(target);
  expect(tree['a']).toEqual(treeOf(lower)['a']);
  expect(tree['gone']).toMatchObject({ mode: '755', owner: '0:0' });
  expect(tree['new']).toMatchObject({ mode: '755', owner: '0:0' });
  expect(lstatSync(target).mode & 0o777).toBe(lstatSync(middle).mode & 0o777);
});
