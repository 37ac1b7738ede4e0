import { readText } from './read-file.ts';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bindMount, mountFilesystem, mountPointsUnder, mountTmpfs, unmount } from './mount.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gantry-mount-'));
});

afterEach(() => {
  for (const point of mountPointsUnder(root)) unmount(point);
  rmSync(root, { recursive: true });
});

function dir(...names: string[]): string {
  const path = join(root, ...names);
  mkdirSync(path, { recursive: true });
  return path;
}

function optionsOf(point: string): string {
  const line = readText('/proc/self/mountinfo')
    .split('\n')
    .findLast((candidate) => candidate.split(' ')[4] === point);
  return line ?? '';
}

const tmpfs = { sizeBytes: 1 << 20, mode: 0o750 };

it('mountTmpfs mounts with size, mode and the safe flags', () => {
  const target = dir('t');
  mountTmpfs(target, tmpfs);
  expect(statSync(target).mode & 0o7777).toBe(0o750);
  expect(optionsOf(target)).toMatch(/nosuid,nodev,noexec.* tmpfs .*size=1024k/);
});

it('unmount removes stacked mounts, and succeeds on nothing and on a missing path', () => {
  const target = dir('t');
  mountTmpfs(target, tmpfs);
  mountTmpfs(target, tmpfs);
  unmount(target);
  expect(mountPointsUnder(root)).toEqual([]);
  unmount(target);
  unmount(join(root, 'missing'));
});

it('unmount does not follow a symbolic link', () => {
  const target = dir('t');
  mountTmpfs(target, tmpfs);
  symlinkSync(target, join(root, 'link'));
  unmount(join(root, 'link'));
  expect(mountPointsUnder(root)).toEqual([target]);
});

it('mountPointsUnder decodes names and gives the deepest first, without neighbours', () => {
  const outer = dir('a b\\c');
  mountTmpfs(outer, tmpfs);
  const inner = dir('a b\\c', 'new\nline');
  mountTmpfs(inner, tmpfs);
  const neighbour = dir('a b\\cd');
  mountTmpfs(neighbour, tmpfs);
  expect(mountPointsUnder(outer)).toEqual([inner, outer]);
  expect(mountPointsUnder(join(root, 'missing'))).toEqual([]);
});

it('bindMount read-only keeps the flags of the source', () => {
  const source = dir('s');
  mountTmpfs(source, tmpfs);
  const target = dir('t');
  bindMount(source, target, { readOnly: true });
  expect(() => writeFileSync(join(target, 'x'), '')).toThrow('EROFS');
  writeFileSync(join(source, 'x'), '');
  expect(existsSync(join(target, 'x'))).toBe(true);
  expect(optionsOf(target)).toContain(' ro,nosuid,nodev,noexec');
});

it('bindMount recursive brings along, and makes read-only, what is mounted below', () => {
  const source = dir('s');
  mountTmpfs(source, tmpfs);
  const below = dir('s', 'below');
  mountTmpfs(below, tmpfs);
  const target = dir('t');
  bindMount(source, target, { recursive: true, readOnly: true, propagation: 'private' });
  expect(mountPointsUnder(target)).toEqual([join(target, 'below'), target]);
  expect(() => writeFileSync(join(target, 'below', 'x'), '')).toThrow('EROFS');
  writeFileSync(join(below, 'x'), '');
});

it('bindMount with slave propagation receives later mounts and sends none back', () => {
  const source = dir('s');
  mountTmpfs(source, tmpfs);
  bindMount(source, source, { propagation: 'shared' });
  const target = dir('t');
  bindMount(source, target, { propagation: 'slave' });
  mountTmpfs(dir('s', 'from-source'), tmpfs);
  mountTmpfs(dir('t', 'from-target'), tmpfs);
  expect(mountPointsUnder(target)).toContain(join(target, 'from-source'));
  expect(mountPointsUnder(source)).not.toContain(join(source, 'from-target'));
});

it('bindMount names the target and the error number', () => {
  expect(() => bindMount(join(root, 'missing'), dir('t'))).toThrow(`mount(${root}/t): ENOENT`);
});

it.each([2, 150])('mountFilesystem stacks %i overlay layers', (count) => {
  const lowers = Array.from({ length: count }, (_, n) => {
    const lower = dir('lower-directory-with-a-long-name', String(n));
    writeFileSync(join(lower, 'top'), String(n));
    writeFileSync(join(lower, `only-${n}`), '');
    return lower;
  });
  const target = dir('t');
  const options = [`lowerdir=${lowers.join(':')}`, `upperdir=${dir('u')}`, `workdir=${dir('w')}`];
  mountFilesystem({ type: 'overlay', source: 'overlay', options: [...options, 'nosuid'] }, target);
  expect(readFileSync(join(target, 'top'), 'utf8')).toBe('0');
  expect(existsSync(join(target, `only-${count - 1}`))).toBe(true);
  expect(optionsOf(target)).toContain('nosuid');
});

it('mountFilesystem says which option the kernel refuses', () => {
  const options = [`lowerdir=${'/missing:'.repeat(500)}/missing`];
  const wrong = { type: 'overlay', source: 'overlay', options };
  expect(() => mountFilesystem(wrong, dir('t'))).toThrow(
    'fsconfig(overlay: lowerdir+=/missing): ENOENT',
  );
});
