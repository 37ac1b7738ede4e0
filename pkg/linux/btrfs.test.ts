import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cloneSubvolume, deleteSubvolume, isOnBtrfs, isSubvolume, makeSubvolume } from './btrfs.ts';
import { unmount } from './mount.ts';

const isKnown = /\tbtrfs$/m.test(readFileSync('/proc/filesystems', 'utf8'));
let folder: string;
const at = (name: string): string => join(folder, 'disk', name);

describe.skipIf(!isKnown)(`btrfs${isKnown ? '' : ' (skipped: the kernel has no btrfs)'}`, () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'gantry-btrfs-'));
    const image = join(folder, 'image');
    writeFileSync(image, '');
    truncateSync(image, 128 << 20);
    mkdirSync(at(''));
    execFileSync('mkfs.btrfs', ['--quiet', image]);
    execFileSync('mount', ['-o', 'loop', image, at('')]);
  });
  afterAll(() => {
    unmount(at(''));
    rmSync(folder, { recursive: true });
  });

  it('knows a btrfs and its subvolumes from other directories', () => {
    makeSubvolume(at('known'));
    mkdirSync(at('directory'));
    symlinkSync('known', at('link'));
    symlinkSync('nowhere', at('dangling'));
    expect([at('known'), folder].map(isOnBtrfs)).toEqual([true, false]);
    const names = ['known', 'directory', 'link', 'dangling'];
    expect(names.map((name) => isSubvolume(at(name)))).toEqual([true, false, false, false]);
  });

  it('makes a clone that goes its own way', () => {
    makeSubvolume(at('source'));
    writeFileSync(at('source/file'), 'one');
    cloneSubvolume(at('source'), at('clone'));
    writeFileSync(at('clone/file'), 'two');
    expect(readFileSync(at('source/file'), 'utf8')).toBe('one');
    writeFileSync(at('source/later'), '');
    expect(existsSync(at('clone/later'))).toBe(false);
    expect(() => cloneSubvolume(at('source'), at('clone'))).toThrow('EEXIST');
    expect(() => makeSubvolume(at('clone'))).toThrow('EEXIST');
  });

  it('deletes a subvolume with all in it, but no other one', () => {
    makeSubvolume(at('outer'));
    writeFileSync(at('outer/file'), '');
    makeSubvolume(at('outer/inner'));
    expect(() => deleteSubvolume(at('outer'))).toThrow('ENOTEMPTY');
    deleteSubvolume(at('outer/inner'));
    deleteSubvolume(at('outer'));
    expect(existsSync(at('outer'))).toBe(false);
  });

  it('refuses what is no subvolume', () => {
    mkdirSync(at('plain'));
    expect(() => deleteSubvolume(at('plain'))).toThrow('EINVAL');
    expect(() => cloneSubvolume(at('plain'), at('clone-of-plain'))).toThrow('EINVAL');
    expect(() => makeSubvolume(join(folder, 'elsewhere'))).toThrow('ENOTTY');
  });
});
