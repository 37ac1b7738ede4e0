import { execFileSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { SnapshotKind } from '#image/snapshots/backend.ts';
import type { Snapshotter } from '#image/snapshots/snapshotter.ts';
import { makeSpecimens } from '#image/testdata/specimens.ts';
import { tarArchive, type TestEntry } from '#image/testdata/tar-archive.ts';
import { treeOf } from '#image/testdata/tree-of.ts';
import { type Bench, inContainer, openBench } from './bench.ts';
import type { Disk } from './disks.ts';

const never = new AbortController().signal;
const nothing: ReadonlySet<string> = new Set();

/** What every kind of snapshotter has to do alike. `makeDisk` is called for each test. */
export function snapshotterSuite(kind: SnapshotKind, makeDisk: () => Disk): void {
  let bench: Bench;
  let snapshots: Snapshotter;
  beforeEach(() => {
    bench = openBench(kind, makeDisk());
    snapshots = bench.open();
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  /** Adds layers on each other, the lowest first, and gives the chain id of the last: `<name>-<n>`. */
  async function stack(...layers: (readonly TestEntry[])[]): Promise<string> {
    return stackAs('chain', ...layers);
  }

  async function stackAs(name: string, ...layers: (readonly TestEntry[])[]): Promise<string> {
    let parent: string | undefined;
    for (const [n, entries] of layers.entries()) {
      const chainId = `${name}-${n}`;
      await bench.add(snapshots, { chainId, parent, archive: tarArchive(entries) });
      parent = chainId;
    }
    return parent ?? '';
  }

  /** What a new container sees: the content of each file by its path, `/` of a directory. */
  async function seen(top: string | undefined, id = 'looks'): Promise<Record<string, string>> {
    const found = await inContainer(snapshots, { id, top }, contentsOf);
    snapshots.release(id);
    return found;
  }

  it('gives a container all that a layer can hold, as GNU tar does', async () => {
    const [source, expected] = ['source', 'expected'].map((name) => join(bench.root, '..', name));
    for (const each of [source, expected]) mkdirSync(each ?? '');
    makeSpecimens(source ?? '');
    const archive = join(bench.root, '../specimens.tar');
    const options = ['--numeric-owner', '--xattrs', '--xattrs-include=*'];
    const packing = ['--format=pax', ...options, '-C', source ?? '', '-cf', archive, '.'];
    execFileSync('tar', packing);
    execFileSync('tar', [...options, '-C', expected ?? '', '-xpf', archive]);
    await bench.add(snapshots, { chainId: 'specimens', archive: readFileSync(archive) });
    const above = tarArchive([{ name: 'sub/above', content: 'x' }]);
    await bench.add(snapshots, { chainId: 'above', parent: 'specimens', archive: above });
    const { 'sub/above': added, ...found } = await inContainer(
      snapshots,
      { id: 'c1', top: 'above' },
      treeOf,
    );
    expect(added).toMatchObject({ type: 0o100_000, owner: '0:0' });
    expect(found).toEqual(treeOf(expected ?? ''));
  });

  it('shows an image without layers as an empty directory', async () => {
    const look = (root: string) => {
      expect(statSync(root)).toMatchObject({ mode: 0o040_755, uid: 0, gid: 0 });
      writeFileSync(join(root, 'mine'), '');
    };
    await inContainer(snapshots, { id: 'c1', top: undefined }, look);
    expect(await seen(undefined)).toEqual({});
  });

  const file = (name: string, content = name): TestEntry => ({ name, content });
  const folder = (name: string): TestEntry => ({ name, type: '5' });
  const link = (name: string, linkName: string): TestEntry => ({ name, type: '2', linkName });
  const lowest = [folder('d'), file('d/a'), file('d/b'), folder('d/e'), file('d/e/f'), file('g')];

  it.each<[string, Record<string, string>, ...(readonly TestEntry[])[]]>([
    [
      'a removed file',
      { d: '/', 'd/b': 'd/b', 'd/e': '/', 'd/e/f': 'd/e/f', g: 'g' },
      [file('d/.wh.a')],
    ],
    ['a removed directory', { g: 'g' }, [file('.wh.d')]],
    [
      'an opaque directory',
      { d: '/', 'd/n': 'd/n', g: 'g' },
      [file('d/n'), file('d/.wh..wh..opq')],
    ],
    [
      'an opaque directory, said first',
      { d: '/', 'd/n': 'd/n', g: 'g' },
      [file('d/.wh..wh..opq'), file('d/n')],
    ],
    ['a file instead of a directory', { d: 'new', g: 'g' }, [file('d', 'new')]],
    [
      'a directory instead of a file',
      { d: '/', 'd/a': '/', 'd/a/n': 'd/a/n', 'd/b': 'd/b', 'd/e': '/', 'd/e/f': 'd/e/f', g: 'g' },
      [folder('d/a'), file('d/a/n')],
    ],
    [
      'a directory made anew',
      { d: '/', 'd/n': 'd/n', g: 'g' },
      [file('.wh.d'), folder('d'), file('d/n')],
    ],
    [
      'a directory made anew, removed last',
      { d: '/', 'd/n': 'd/n', g: 'g' },
      [folder('d'), file('d/n'), file('.wh.d')],
    ],
    [
      'a directory made anew two layers above',
      { d: '/', 'd/n': 'd/n', g: 'g' },
      [file('.wh.d')],
      [file('d/n')],
    ],
    ['a file made anew', { d: 'new', g: 'g' }, [file('.wh.d')], [file('d', 'new')]],
    ['a file and its own whiteout', { d: 'new', g: 'g' }, [file('d', 'new'), file('.wh.d')]],
    [
      'a replaced file',
      { d: '/', 'd/a': 'new', 'd/b': 'd/b', 'd/e': '/', 'd/e/f': 'd/e/f', g: 'g' },
      [file('d/a', 'new')],
    ],
    [
      'a whiteout of nothing',
      { d: 'd', g: 'g' },
      [file('.wh.d')],
      [file('d')],
      [file('.wh.x'), file('.wh..wh.plnk')],
    ],
    ['a mark of overlayfs', { g: 'g' }, [{ name: 'd', type: '3', device: [0, 0] }]],
    ['a link instead of a directory', { d: '-> e', g: 'g' }, [link('d', 'e')]],
    [
      'a directory instead of a link',
      { d: '/', 'd/n': 'd/n', g: 'g' },
      [link('d', 'e'), folder('e')],
      [file('.wh.e')],
      [file('d/n')],
    ],
    [
      'a whiteout beyond a link',
      { d: '-> e', e: '/', 'e/f': 'e/f', g: 'g' },
      [link('d', 'e'), file('e/f')],
      [file('x/.wh.f')],
      [file('.wh.x')],
    ],
  ])('shows %s', async (_, expected, ...layers) => {
    expect(await seen(await stack(lowest, ...layers))).toEqual(expected);
    expect((await seen('chain-0'))['d/e/f']).toBe('d/e/f');
  });

  it('keeps two names of a file in one layer one file, and apart from a new one above', async () => {
    const hard: TestEntry = { name: 'hard', type: '1', linkName: 'file' };
    const top = await stack([file('file'), hard, file('z')], [file('file', 'new')]);
    expect(await seen(top)).toEqual({ file: 'new', hard: 'file', z: 'z' });
    const links = (root: string) => statSync(join(root, 'hard')).nlink;
    expect(await inContainer(snapshots, { id: 'c1', top: 'chain-0' }, links)).toBe(2);
  });

  it('gives directories that a layer does not describe the attributes that they had', async () => {
    const described: TestEntry = {
      name: 'd/',
      type: '5',
      mode: 0o2751,
      uid: 3,
      gid: 4,
      mtime: 1_500_000_000,
      pax: { 'SCHILY.xattr.user.note': 'kept' },
    };
    const below = [{ ...described, name: './', mode: 0o711 }, described, file('d/a')];
    const top = await stack(below, [file('d/b'), file('d/new/c')], [file('d/.wh.a')]);
    const look = (root: string) => ({ root: statSync(root), tree: treeOf(root) });
    const { root, tree } = await inContainer(snapshots, { id: 'c1', top }, look);
    expect(root).toMatchObject({ mode: 0o040_711, uid: 3, gid: 4 });
    expect(tree['d']).toMatchObject({
      mode: '2751',
      owner: '3:4',
      xattrs: { 'user.note': 'kept' },
    });
    expect(tree['d']?.modified).toBe('1500000000.0');
    // Not the group of the directory, although its bit says so for what others make in it.
    expect(tree['d/b']).toMatchObject({ mode: '644', owner: '0:0' });
    expect(tree['d/new']).toMatchObject({ mode: '755', owner: '0:0' });
  });

  it('takes a directory that a layer describes as it does, with nothing of what it had', async () => {
    const note = { 'SCHILY.xattr.user.note': 'gone' };
    const below: TestEntry = { name: 'd', type: '5', mode: 0o1777, uid: 7, pax: note };
    const top = await stack([below, file('d/a')], [{ ...folder('d'), mode: 0o700 }]);
    const tree = await inContainer(snapshots, { id: 'c1', top }, treeOf);
    expect(tree['d']).toMatchObject({ mode: '700', owner: '0:0', xattrs: {} });
    expect(Object.keys(tree)).toEqual(['d', 'd/a']);
  });

  it('keeps what containers write apart from each other and from the layers', async () => {
    const top = await stack(lowest, [folder('n')]);
    const change = (root: string): void => {
      writeFileSync(join(root, 'd/a'), 'mine');
      rmSync(join(root, 'd/e'), { recursive: true });
      linkSync(join(root, 'g'), join(root, 'n/link'));
    };
    await inContainer(snapshots, { id: 'c1', top }, change);
    const pristine = { d: '/', 'd/a': 'd/a', 'd/b': 'd/b', 'd/e': '/', 'd/e/f': 'd/e/f', g: 'g' };
    expect(await seen(top, 'c2')).toEqual({ ...pristine, n: '/' });
    expect(await seen('chain-0', 'c3')).toEqual(pristine);
    const mine = await inContainer(snapshots, { id: 'c1', top }, contentsOf);
    expect(mine).toEqual({ d: '/', 'd/a': 'mine', 'd/b': 'd/b', g: 'g', n: '/', 'n/link': 'g' });
  });

  it('stacks as many layers as images can have', async () => {
    const layers = Array.from({ length: 120 }, (_, n) => [file(`${n}`), file(`.wh.${n - 3}`)]);
    const found = await seen(await stack(...layers));
    expect(Object.keys(found).toSorted()).toEqual(['117', '118', '119']);
  });

  it('unpacks layers in any order, and refuses to commit one before the one below', async () => {
    const upper = await bench.unpack(snapshots, tarArchive([file('.wh.g'), file('h')]));
    const commit = () =>
      snapshots.commit(upper.directory, { ...upper, chainId: 'upper', parent: 'chain-0' }, never);
    await expect(commit()).rejects.toThrow('before the one below it');
    expect(snapshots.has('upper')).toBe(false);
    await stack([file('g'), file('i')]);
    await commit();
    expect(await seen('upper')).toEqual({ h: 'h', i: 'i' });
  });

  it('leaves nothing of a commit that was stopped', async () => {
    await stack(lowest);
    const { directory, extracted } = await bench.unpack(snapshots, tarArchive([file('h')]));
    const layer = { chainId: 'stopped', parent: 'chain-0', extracted };
    await expect(snapshots.commit(directory, layer, AbortSignal.abort())).rejects.toThrow();
    snapshots.abandon(directory);
    expect(snapshots.has('stopped')).toBe(false);
    expect(readdirSync(join(bench.root, 'snapshots'))).toHaveLength(1);
    await bench.emptied();
  });

  it('counts each snapshot once it is there, and no more when it is gone', async () => {
    await stack([folder('d'), file('d/a', 'x'.repeat(5000)), link('l', 'd')]);
    const one = { usedBytes: 4096 + 8192, inodes: 3 };
    expect(snapshots.usage()).toEqual(one);
    await stackAs('other', [file('b')]);
    const two = { usedBytes: one.usedBytes + 4096, inodes: 4 };
    expect(snapshots.usage()).toEqual(two);
    expect(bench.open().usage()).toEqual(two);
    snapshots.keepOnly(new Set(['chain-0']));
    expect(snapshots.usage()).toEqual(one);
    await snapshots.prepare('c1', 'chain-0');
    expect(snapshots.usage()).toEqual(one);
  });

  it('keeps what is needed, across a restart, and sweeps what was not committed', async () => {
    for (const name of ['a', 'b', 'c']) await stackAs(name, [file(name)]);
    await snapshots.begin(never);
    snapshots.keepOnly(new Set(['b-0']));
    snapshots = bench.open();
    expect(['a-0', 'b-0', 'c-0'].filter((chainId) => snapshots.has(chainId))).toEqual(['b-0']);
    expect(readdirSync(join(bench.root, 'snapshots'))).toHaveLength(1);
    await stackAs('d', [file('d')]);
    expect([await seen('b-0'), await seen('d-0')]).toEqual([{ b: 'b' }, { d: 'd' }]);
    await bench.emptied();
  });

  it('throws away after a restart of the machine what had not been synced, and only that', async () => {
    await stackAs('synced', [file('a')]);
    await snapshots.persist(never);
    await snapshots.persist(never);
    expect(bench.calls.filter((name) => name === 'sync')).toHaveLength(1);
    await stackAs('torn', [file('b')]);
    snapshots = bench.open({ bootId: 'second boot' });
    const left = ['synced-0', 'torn-0'].filter((chainId) => snapshots.has(chainId));
    expect(left).toEqual(['synced-0']);
    expect(await seen('synced-0')).toEqual({ a: 'a' });
  });

  it('makes the root of a container anew after a restart of the machine, not of the daemon', async () => {
    const top = await stack([file('a')]);
    await snapshots.persist(never);
    const write = (root: string) => writeFileSync(join(root, 'written'), 'by me');
    await inContainer(snapshots, { id: 'c1', top }, write);
    snapshots = bench.open();
    const container = { id: 'c1', top };
    expect(await inContainer(snapshots, container, contentsOf)).toHaveProperty('written');
    snapshots = bench.open({ bootId: 'second boot' });
    expect(await inContainer(snapshots, container, contentsOf)).toEqual({ a: 'a' });
  });

  it('makes the root of a container anew when the daemon was killed meanwhile', async () => {
    const top = await stack([file('a')]);
    await snapshots.prepare('c1', top);
    rmSync(join(bench.root, 'containers/c1/boot-id'));
    expect(await seen(top, 'c1')).toEqual({ a: 'a' });
  });

  it('leaves nothing behind when all is released', async () => {
    const top = await stack(lowest, [file('.wh.g')]);
    for (const id of ['c1', 'c2', 'c3']) await snapshots.prepare(id, top);
    snapshots.release('c1');
    snapshots.release('c1');
    snapshots.keepOnlyContainers(new Set(['c2']));
    expect(readdirSync(join(bench.root, 'containers'))).toEqual(['c2']);
    snapshots.keepOnlyContainers(nothing);
    snapshots.keepOnly(nothing);
    for (const name of ['containers', 'snapshots']) {
      expect(readdirSync(join(bench.root, name))).toEqual([]);
    }
    expect(snapshots.usage()).toEqual({ usedBytes: 0, inodes: 0 });
    await bench.emptied();
  });

  it('refuses a root with snapshots of another kind, and touches none of them', async () => {
    const top = await stack([file('a')]);
    const other = kind === 'native' ? 'overlay' : 'native';
    if (other === 'native' || existsSync(join(bench.root, 'empty'))) {
      expect(() => bench.open({ kind: other })).toThrow(`has snapshots of the kind "${kind}"`);
    }
    expect(await seen(top)).toEqual({ a: 'a' });
  });
}

function contentsOf(root: string): Record<string, string> {
  const tree = treeOf(root);
  const contents = Object.entries(tree).map(([path, { type, content }]): [string, string] => {
    if (type === 0o040_000) return [path, '/'];
    if (type === 0o120_000) return [path, `-> ${content}`];
    return [path, readFileSync(join(root, path), 'utf8')];
  });
  return Object.fromEntries(contents);
}
