import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeSpecimens } from '#image/testdata/specimens.ts';
import { tarArchive, type TestEntry } from '#image/testdata/tar-archive.ts';
import { treeOf } from '#image/testdata/tree-of.ts';
import { contentsOf } from './testdata/bench.ts';
import { snapshotterSuite } from './testdata/snapshotter-suite.ts';

const file = (name: string, content = name): TestEntry => ({ name, content });
const folder = (name: string): TestEntry => ({ name, type: '5' });
const link = (name: string, linkName: string): TestEntry => ({ name, type: '2', linkName });
const entries = (root: string) => ({ root: statSync(root), tree: treeOf(root) });

const lowest = [folder('d'), file('d/a'), file('d/b'), folder('d/e'), file('d/e/f'), file('g')];
const pristine = { d: '/', 'd/a': 'd/a', 'd/b': 'd/b', 'd/e': '/', 'd/e/f': 'd/e/f', g: 'g' };
const { 'd/a': _a, ...withoutA } = pristine;
const anew = { d: '/', 'd/n': 'd/n', g: 'g' };

/** What is put on `lowest`, and what a container sees then. */
const cases: [string, Record<string, string>, ...(readonly TestEntry[])[]][] = [
  ['a removed file', withoutA, [file('d/.wh.a')]],
  ['a removed directory', { g: 'g' }, [file('.wh.d')]],
  ['an opaque directory', anew, [file('d/n'), file('d/.wh..wh..opq')]],
  ['an opaque directory, said first', anew, [file('d/.wh..wh..opq'), file('d/n')]],
  ['an opaque root', { n: 'n' }, [file('n'), file('.wh..wh..opq')]],
  ['a file instead of a directory', { d: 'new', g: 'g' }, [file('d', 'new')]],
  [
    'a directory instead of a file',
    { ...pristine, 'd/a': '/', 'd/a/n': 'd/a/n' },
    [folder('d/a'), file('d/a/n')],
  ],
  ['a directory made anew', anew, [file('.wh.d'), folder('d'), file('d/n')]],
  ['a directory made anew, removed last', anew, [folder('d'), file('d/n'), file('.wh.d')]],
  ['a directory made anew two layers above', anew, [file('.wh.d')], [file('d/n')]],
  ['a file made anew', { d: 'new', g: 'g' }, [file('.wh.d')], [file('d', 'new')]],
  ['a file and its own whiteout', { d: 'new', g: 'g' }, [file('d', 'new'), file('.wh.d')]],
  ['a replaced file', { ...pristine, 'd/a': 'new' }, [file('d/a', 'new')]],
  [
    'whiteouts of nothing',
    { d: 'd', g: 'g' },
    [file('.wh.d')],
    [file('d')],
    [file('.wh.x'), file('.wh..wh.plnk')],
  ],
  ['a mark of overlayfs', { g: 'g' }, [{ name: 'd', type: '3', device: [0, 0] }]],
  ['a link instead of a directory', { d: '-> e', g: 'g' }, [link('d', 'e')]],
  [
    'a directory instead of a link, not what that led to',
    { ...anew, e: '/' },
    [link('d', 'e'), folder('e')],
    [file('d/n')],
  ],
];

snapshotterSuite((bench) => {
  it('gives a container all that a layer can hold, as GNU tar does', async () => {
    const at = (name: string): string => join(bench().scratch, name);
    for (const each of ['source', 'expected']) mkdirSync(at(each));
    makeSpecimens(at('source'));
    const options = ['--numeric-owner', '--xattrs', '--xattrs-include=*', '-f', at('archive')];
    execFileSync('tar', ['-c', '--format=pax', ...options, '-C', at('source'), '.']);
    execFileSync('tar', ['-xp', ...options, '-C', at('expected')]);
    await bench().add({ chainId: 'specimens', archive: readFileSync(at('archive')) });
    const archive = tarArchive([file('sub/above')]);
    await bench().add({ chainId: 'above', parent: 'specimens', archive });
    const found = await bench().inContainer({ id: 'c1', top: 'above' }, treeOf);
    expect(found).toMatchObject({ 'sub/above': { type: 0o100_000, owner: '0:0' } });
    expect(found).toEqual({ ...treeOf(at('expected')), 'sub/above': found['sub/above'] });
  });

  it('shows an image without layers as an empty directory', async () => {
    const { root, tree } = await bench().inContainer({ id: 'c1', top: undefined }, (path) => {
      const seen = entries(path);
      writeFileSync(join(path, 'mine'), '');
      return seen;
    });
    expect(root).toMatchObject({ mode: 0o040_755, uid: 0, gid: 0 });
    expect(tree).toEqual({});
    expect(await bench().seen(undefined)).toEqual({});
  });

  it.each(cases)('shows %s', async (_, expected, ...layers) => {
    expect(await bench().seen(await bench().stack('chain', lowest, ...layers))).toEqual(expected);
    expect(await bench().seen('chain-0')).toEqual(pristine);
  });

  it('keeps two names of a file in one layer one file, and apart from a new one above', async () => {
    const hard: TestEntry = { name: 'hard', type: '1', linkName: 'file' };
    const top = await bench().stack('chain', [file('file'), hard], [file('file', 'new')]);
    expect(await bench().seen(top)).toEqual({ file: 'new', hard: 'file' });
    const below = await bench().inContainer({ id: 'c1', top: 'chain-0' }, treeOf);
    expect(below['hard']?.links).toBe(2);
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
    const layers = [below, [file('d/b'), file('d/new/c')], [file('d/.wh.a')]];
    const top = await bench().stack('chain', ...layers);
    const { root, tree } = await bench().inContainer({ id: 'c1', top }, entries);
    expect(root).toMatchObject({ mode: 0o040_711, uid: 3, gid: 4 });
    expect(tree['d']).toMatchObject({ mode: '2751', owner: '3:4', modified: '1500000000.0' });
    expect(tree['d']?.xattrs).toEqual({ 'user.note': 'kept' });
    // Not the group of the directory, although its bit says so for what others make in it.
    expect(tree['d/b']).toMatchObject({ mode: '644', owner: '0:0' });
    expect(tree['d/new']).toMatchObject({ mode: '755', owner: '0:0' });
  });

  it('takes a directory that a layer describes as it does, with nothing of what it had', async () => {
    const pax = { 'SCHILY.xattr.user.note': 'gone' };
    const below: TestEntry = { ...folder('d'), mode: 0o1777, uid: 7, pax };
    const layers = [[below, file('d/a')], [{ ...folder('d'), mode: 0o700 }]];
    const top = await bench().stack('chain', ...layers);
    const tree = await bench().inContainer({ id: 'c1', top }, treeOf);
    expect(tree['d']).toMatchObject({ mode: '700', owner: '0:0', xattrs: {} });
    expect(Object.keys(tree)).toEqual(['d', 'd/a']);
  });

  it('keeps what containers write apart from each other and from the layers', async () => {
    const top = await bench().stack('chain', lowest, [folder('n')]);
    const container = { id: 'c1', top };
    await bench().inContainer(container, (root) => {
      writeFileSync(join(root, 'd/a'), 'mine');
      rmSync(join(root, 'd/e'), { recursive: true });
      linkSync(join(root, 'g'), join(root, 'n/link'));
    });
    expect(await bench().seen(top)).toEqual({ ...pristine, n: '/' });
    expect(await bench().seen('chain-0')).toEqual(pristine);
    const mine = { d: '/', 'd/a': 'mine', 'd/b': 'd/b', g: 'g', n: '/', 'n/link': 'g' };
    expect(await bench().inContainer(container, contentsOf)).toEqual(mine);
  });

  it('stacks as many layers as images can have', async () => {
    const layers = Array.from({ length: 120 }, (_, n) => [file(`${n}`), file(`.wh.${n - 3}`)]);
    const found = await bench().seen(await bench().stack('chain', ...layers));
    expect(Object.keys(found).toSorted()).toEqual(['117', '118', '119']);
  });
});
