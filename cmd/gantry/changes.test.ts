import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { treeChanges } from './tree-changes.ts';
import { upperChanges } from './upper-changes.ts';

let folder = '';
const at = (...parts: readonly string[]) => join(folder, ...parts);

/** Two layers, of which the upper takes a file away and makes a directory anew, seen as one at `merged`. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-changes-'));
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', folder]);
  for (const name of ['one', 'two', 'two-work', 'upper', 'work', 'merged', 'copy'])
    mkdirSync(at(name));
  mkdirSync(at('one/etc'));
  for (const name of ['keep', 'change', 'remove', 'gone']) writeFileSync(at('one/etc', name), name);
  mkdirSync(at('one/opt/deep'), { recursive: true });
  writeFileSync(at('one/opt/deep/old'), 'old');
  symlinkSync('etc/keep', at('one/link'));
  overlay(['one'], 'two', 'two-work');
  rmSync(at('merged/etc/gone'));
  rmSync(at('merged/opt'), { recursive: true });
  mkdirSync(at('merged/opt'));
  writeFileSync(at('merged/opt/new'), 'new');
  execFileSync('umount', [at('merged')]);
});
afterEach(() => {
  execFileSync('umount', ['--recursive', folder]);
  rmSync(folder, { recursive: true });
});

function overlay(lowers: readonly string[], upper: string, work: string): void {
  const layers = lowers.map((name) => at(name)).join(':');
  const options = `lowerdir=${layers},upperdir=${at(upper)},workdir=${at(work)}`;
  execFileSync('mount', ['-t', 'overlay', '-o', options, 'overlay', at('merged')]);
}

function change(tree: string): void {
  writeFileSync(at(tree, 'etc/change'), 'changed');
  rmSync(at(tree, 'etc/remove'));
  writeFileSync(at(tree, 'etc/gone'), 'back');
  mkdirSync(at(tree, 'srv'));
  writeFileSync(at(tree, 'srv/file'), '');
  rmSync(at(tree, 'opt'), { recursive: true });
  rmSync(at(tree, 'link'));
  symlinkSync('etc/change', at(tree, 'link'));
}

const files = [
  { kind: 'changed', path: '/etc/change' },
  { kind: 'added', path: '/etc/gone' },
  { kind: 'deleted', path: '/etc/remove' },
  { kind: 'changed', path: '/link' },
  { kind: 'deleted', path: '/opt' },
  { kind: 'added', path: '/srv' },
  { kind: 'added', path: '/srv/file' },
] as const;

it('reads the upper directory of an overlay', () => {
  overlay(['two', 'one'], 'upper', 'work');
  change('merged');
  const changes = upperChanges(at('upper'), [at('two'), at('one')]);
  // The directory that has a change counts as changed itself.
  expect(changes).toEqual([{ kind: 'changed', path: '/etc' }, ...files]);
});

it('tells what a directory that was made anew hides', () => {
  overlay(['two', 'one'], 'upper', 'work');
  rmSync(at('merged/etc'), { recursive: true });
  mkdirSync(at('merged/etc'));
  writeFileSync(at('merged/etc/keep'), 'other');
  expect(upperChanges(at('upper'), [at('two'), at('one')])).toEqual([
    { kind: 'changed', path: '/etc' },
    { kind: 'deleted', path: '/etc/change' },
    { kind: 'changed', path: '/etc/keep' },
    { kind: 'deleted', path: '/etc/remove' },
  ]);
});

it('compares a copy with the layers that it is of', () => {
  overlay(['two', 'one'], 'upper', 'work');
  execFileSync('cp', ['-a', '--no-target-directory', at('merged'), at('copy')]);
  expect(treeChanges(at('copy'), [at('two'), at('one')])).toEqual([]);
  change('copy');
  expect(treeChanges(at('copy'), [at('two'), at('one')])).toEqual(files);
});
