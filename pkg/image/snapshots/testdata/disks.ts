import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mountFilesystem, unmount } from '#linux/mount.ts';

/** A directory that goes, with all in it, when this is disposed of. */
export type Disk = Disposable & { readonly path: string };

/** On the filesystem of the machine's temporary files. */
export function plainDisk(): Disk {
  const path = mkdtempSync(join(tmpdir(), 'gantry-snapshots-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** On an overlay, where another one cannot be made. */
export function overlayDisk(): Disk {
  const below = plainDisk();
  const [lower, upper, work, path] = ['lower', 'upper', 'work', 'path'].map((name) =>
    join(below.path, name),
  );
  for (const each of [lower, upper, work, path]) mkdirSync(each ?? '');
  const options = [`lowerdir=${lower}`, `upperdir=${upper}`, `workdir=${work}`];
  mountFilesystem({ type: 'overlay', source: 'overlay', options }, path ?? '');
  return mountedDisk(below, path ?? '');
}

/** On a new btrfs in a file. */
export function btrfsDisk(): Disk {
  const below = plainDisk();
  const [image, path] = [join(below.path, 'image'), join(below.path, 'path')];
  mkdirSync(path);
  writeFileSync(image, '');
  truncateSync(image, 512 << 20);
  execFileSync('mkfs.btrfs', ['--quiet', image]);
  execFileSync('mount', ['-o', 'loop', image, path]);
  return mountedDisk(below, path);
}

/** One that is full after some tens of files. */
export function fewInodesDisk(): Disk {
  const below = plainDisk();
  const path = join(below.path, 'path');
  mkdirSync(path);
  mountFilesystem({ type: 'tmpfs', source: 'tmpfs', options: ['nr_inodes=64'] }, path);
  return mountedDisk(below, path);
}

/** Why there is no btrfs to test on; undefined when there is. */
export function btrfsMissing(): string | undefined {
  const isKnown = /\tbtrfs$/m.test(readFileSync('/proc/filesystems', 'utf8'));
  return isKnown ? undefined : 'the kernel has no btrfs';
}

function mountedDisk(below: Disk, path: string): Disk {
  return {
    path,
    [Symbol.dispose]: () => {
      unmount(path);
      below[Symbol.dispose]();
    },
  };
}
