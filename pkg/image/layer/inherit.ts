import { type BigIntStats, lstatSync } from 'node:fs';
import { isErrno } from '#errors/fault.ts';
import { check, lgetxattr, llistxattr } from '#linux/libc.ts';
import { applyAttributes, type Attributes } from './attributes.ts';
import { cPath, type Place, procPath, Tree } from './tree.ts';

/**
 * Gives directories that a layer did not describe the attributes that they have in the layers below:
 * `lowers`, the nearest first. Where these have no such directory, it stays root's, 0755.
 */
export function inheritAttributes(
  directory: string,
  paths: readonly string[],
  lowers: readonly string[],
): void {
  using stack = new DisposableStack();
  const target = stack.use(new Tree(directory));
  const below = lowers.map((lower) => stack.use(new Tree(lower)));
  for (const path of paths) {
    const attributes = attributesBelow(below, path);
    if (attributes) applyAttributes(target.find(path), attributes, { hasMode: true });
  }
}

/**
 * Anything but a directory, such as a whiteout, ends the search. An opaque directory does not: what
 * it hides had this name before, and its attributes are as good as none.
 */
function attributesBelow(lowers: readonly Tree[], path: string): Attributes | undefined {
  for (const lower of lowers) {
    try {
      const place = lower.find(path);
      const stat = lstatSync(procPath(place), { bigint: true });
      return stat.isDirectory() ? attributesOf(place, stat) : undefined;
    } catch (error) {
      if (isErrno(error, 'ENOTDIR')) return undefined;
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
  return undefined;
}

const nanosecondsPerSecond = 1_000_000_000n;

function attributesOf(place: Place, stat: BigIntStats): Attributes {
  return {
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    modified: {
      seconds: stat.mtimeNs / nanosecondsPerSecond,
      nanoseconds: stat.mtimeNs % nanosecondsPerSecond,
    },
    xattrs: xattrsOf(place),
  };
}

/** The kernel's own limit on the list of names, and on each value: xattr(7). */
const maxXattrBytes = 65_536;

function xattrsOf(place: Place): Map<string, string> {
  const path = Buffer.concat([procPath(place), Buffer.of(0)]);
  const buffer = Buffer.alloc(maxXattrBytes);
  const length = check(llistxattr(path, buffer, buffer.length), 'llistxattr', place.base);
  const names = buffer.toString('latin1', 0, length).split('\0').filter(Boolean);
  return new Map(
    names.map((name) => {
      const size = lgetxattr(path, cPath(name), buffer, buffer.length);
      return [
        name,
        buffer.toString('latin1', 0, check(size, 'lgetxattr', `${place.base}, ${name}`)),
      ];
    }),
  );
}
