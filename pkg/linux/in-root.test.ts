import {
  existsSync,
  mkdtempSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeDirectoryInRoot, readFileInRoot } from './in-root.ts';

let root = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'gantry-in-root-'));
  mkdirSync(join(root, 'etc'));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
  symlinkSync('/etc/passwd', join(root, 'absolute'));
  symlinkSync('../../../../../etc/hostname', join(root, 'outside'));
  execFileSync('mkfifo', [join(root, 'fifo')]);
});
afterAll(() => rmSync(root, { recursive: true }));

it('reads a file, as far as it may', () => {
  expect(readFileInRoot(root, 'etc/passwd', 1024)).toBe('root:x:0:0::/root:/bin/sh\n');
  expect(readFileInRoot(root, '/etc/passwd', 4)).toBe('root');
});

it('resolves links within the root', () => {
  expect(readFileInRoot(root, 'absolute', 4)).toBe('root');
  expect(readFileInRoot(root, 'outside', 1024)).toBeUndefined();
});

it.each(['none', 'etc', 'fifo', 'etc/passwd/below'])('finds no regular file at %s', (path) => {
  expect(readFileInRoot(root, path, 1024)).toBeUndefined();
});

it('makes directories that are missing, for their owner, and does not leave the root', () => {
  makeDirectoryInRoot(root, '/etc/data/deep', 1000);
  expect(statSync(join(root, 'etc/data/deep'))).toMatchObject({ uid: 1000, gid: 1000 });
  expect(statSync(join(root, 'etc')).uid).toBe(0);
  symlinkSync('../../..', join(root, 'up'));
  makeDirectoryInRoot(root, 'up/gantry-in-root-test', 0);
  expect(existsSync(join(root, 'gantry-in-root-test'))).toBe(true);
  expect(existsSync('/gantry-in-root-test')).toBe(false);
});

it('leaves what is no directory in its place', () => {
  makeDirectoryInRoot(root, 'etc/passwd/below', 0);
  expect(readFileInRoot(root, 'etc/passwd', 4)).toBe('root');
});
