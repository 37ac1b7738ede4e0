import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bindMount, unmount } from '#linux/mount.ts';
import type { ContainerMount } from './container.ts';
import { hostMounts } from './host-mounts.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-mounts-'));
  bindMount(folder, folder, { propagation: 'private' });
  mkdirSync(join(folder, 'real'));
  symlinkSync('real', join(folder, 'link'));
});
afterEach(() => {
  unmount(folder);
  rmSync(folder, { recursive: true });
});

function mountOf(name: string, change: Partial<ContainerMount> = {}) {
  const mount: ContainerMount = {
    containerPath: '/data',
    hostPath: join(folder, name),
    readonly: false,
    recursiveReadOnly: false,
    propagation: 'private',
    ...change,
  };
  return hostMounts([mount])[0];
}

it('follows symbolic links on the node', () => {
  expect(mountOf('link')?.source).toBe(join(folder, 'real'));
});

it('makes a directory where there is nothing', () => {
  expect(mountOf('new/deep')?.source).toBe(join(folder, 'new/deep'));
  expect(statSync(join(folder, 'new/deep')).isDirectory()).toBe(true);
});

it.each([
  [{}, ['rbind', 'rprivate', 'rw']],
  [{ readonly: true }, ['rbind', 'rprivate', 'ro']],
  [{ readonly: true, recursiveReadOnly: true }, ['rbind', 'rprivate', 'ro', 'rro']],
  [{ mapping: { hostId: 1, length: 1 } }, ['rbind', 'rprivate', 'rw', 'idmap']],
])('%j gives the options %j', (change, options) => {
  expect(mountOf('real', change)?.options).toEqual(options);
});

it('refuses propagation that the mount below cannot have', () => {
  const wish = { propagation: 'bidirectional' } as const;
  expect(() => mountOf('real', wish)).toThrow('is not on a shared mount');
  bindMount(join(folder, 'real'), join(folder, 'real'), { propagation: 'shared' });
  expect(mountOf('real', wish)?.options).toContain('rshared');
  unmount(join(folder, 'real'));
});

it('names a path that cannot be used', () => {
  writeFileSync(join(folder, 'file'), '');
  expect(() => mountOf('file/below')).toThrow(`host path "${folder}/file/below"`);
});
