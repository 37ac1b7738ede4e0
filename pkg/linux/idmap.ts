import { closeSync, openSync } from 'node:fs';
import { check, mountSetattr, moveMount, openTree } from './libc.ts';

// open_tree(2), mount_setattr(2), move_mount(2)
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;
const MOUNT_ATTR_IDMAP = 0x0010_0000n;
const MOVE_MOUNT_F_EMPTY_PATH = 4;

/**
 * Makes `source` appear at `target` with the owners of its files as the user namespace pinned at
 * `userns` maps them: what belongs to root on disk belongs to the root there (mount_setattr(2),
 * "ID-mapped mounts").
 */
export function mountIdmapped(source: string, target: string, userns: string): void {
  const tree = openTree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  check(tree, 'open_tree', source);
  const namespace = openSync(userns, 'r');
  try {
    const attributes = new BigUint64Array([MOUNT_ATTR_IDMAP, 0n, 0n, BigInt(namespace)]);
    const size = attributes.byteLength;
    check(mountSetattr(tree, '', AT_EMPTY_PATH, attributes, size), 'mount_setattr', source);
    const moved = moveMount(tree, '', AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
    check(moved, 'move_mount', target);
  } finally {
    closeSync(namespace);
    closeSync(tree);
  }
}
