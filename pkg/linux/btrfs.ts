import { closeSync, lstatSync, openSync, statfsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { check, ioctl } from './libc.ts';

// <linux/btrfs.h>: _IOW(0x94, n, struct btrfs_ioctl_vol_args)
const BTRFS_IOC_SNAP_CREATE = 0x5000_9401;
const BTRFS_IOC_SUBVOL_CREATE = 0x5000_940e;
const BTRFS_IOC_SNAP_DESTROY = 0x5000_940f;

// <linux/magic.h>, <linux/btrfs_tree.h>
const BTRFS_SUPER_MAGIC = 0x9123_683e;
const BTRFS_FIRST_FREE_OBJECTID = 256;

/** Whether a path that is there is on a btrfs. */
export function isOnBtrfs(path: string): boolean {
  return statfsSync(path).type === BTRFS_SUPER_MAGIC;
}

/** Whether a path that is there is the root directory of a subvolume. */
export function isSubvolume(path: string): boolean {
  const stat = lstatSync(path);
  return stat.isDirectory() && stat.ino === BTRFS_FIRST_FREE_OBJECTID && isOnBtrfs(path);
}

/** Makes an empty subvolume; its parent directory must be on a btrfs. */
export function makeSubvolume(path: string): void {
  atParent(path, BTRFS_IOC_SUBVOL_CREATE, 0);
}

/**
 * Makes `target` a writable clone of the subvolume `source`; they share all that is not changed.
 * Waits for a commit of the filesystem's transaction. Subvolumes within the source are left out.
 */
export function cloneSubvolume(source: string, target: string): void {
  const fd = openSync(source, 'r');
  try {
    atParent(target, BTRFS_IOC_SNAP_CREATE, fd);
  } finally {
    closeSync(fd);
  }
}

/** Deletes a subvolume at once, with all that is in it but other subvolumes: ENOTEMPTY with such. */
export function deleteSubvolume(path: string): void {
  atParent(path, BTRFS_IOC_SNAP_DESTROY, 0);
}

/** All three take an entry of a directory by its name: `struct { s64 fd; char name[4088]; }`. */
function atParent(path: string, request: number, fd: number): void {
  const argument = Buffer.alloc(4096);
  argument.writeBigInt64LE(BigInt(fd));
  argument.write(basename(path), 8, 4087);
  const parent = openSync(dirname(path), 'r');
  try {
    check(ioctl(parent, request, argument), 'ioctl', `btrfs, ${path}`);
  } finally {
    closeSync(parent);
  }
}
