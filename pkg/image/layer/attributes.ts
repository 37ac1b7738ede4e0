import { type BigIntStats, lstatSync } from 'node:fs';
import {
  check,
  fchmodat,
  fchownat,
  lastError,
  lgetxattr,
  llistxattr,
  lremovexattr,
  lsetxattr,
  utimensat,
} from '#linux/libc.ts';
import { type Time, timeFrom } from './time.ts';
import { cPath, type Place, procPath } from './tree.ts';

export type Attributes = {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly modified: Time;
  /** Names and values are bytes, held as latin1 text. */
  readonly xattrs: ReadonlyMap<string, string>;
};

const AT_SYMLINK_NOFOLLOW = 0x100;

/**
 * Gives an entry, which root made, its owner, mode, extended attributes and times, in this order: a
 * change of owner takes away setuid bits and file capabilities, and any change moves the time.
 */
export function applyAttributes(
  place: Place,
  attributes: Attributes,
  { hasMode }: { readonly hasMode: boolean },
): void {
  const { parent, base } = place;
  const name = cPath(base);
  const { mode, uid, gid } = attributes;
  if (uid !== 0 || gid !== 0) {
    check(fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW), 'fchownat', base);
  }
  // Never through a symbolic link, which may point to anything of the node's.
  if (hasMode) check(fchmodat(parent, name, mode, AT_SYMLINK_NOFOLLOW), 'fchmodat', base);
  for (const [key, value] of attributes.xattrs) setXattr(place, key, value);
  const { seconds, nanoseconds } = attributes.modified;
  const times = new BigInt64Array([seconds, nanoseconds, seconds, nanoseconds]);
  check(utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW), 'utimensat', base);
}

const overlayOwn = ['trusted.overlay.', 'user.overlay.'];
/** Of users' attributes, which some filesystems, and symbolic links on all, cannot hold. */
const refusals = ['ENOTSUP', 'EOPNOTSUPP', 'EPERM'];

function setXattr(place: Place, key: string, value: string): void {
  // These would let a layer redirect overlayfs's lookups to other directories.
  if (overlayOwn.some((prefix) => key.startsWith(prefix))) return;
  const bytes = Buffer.from(value, 'latin1');
  const path = xattrPath(place);
  const done = lsetxattr(path, cPath(key), bytes, bytes.length, 0);
  if (done < 0 && key.startsWith('user.') && refusals.includes(lastError())) return;
  check(done, 'lsetxattr', `${place.base}, ${key}`);
}

/** Makes a directory hide what is below it in other layers (overlayfs: opaque directories). */
export function makeOpaque(place: Place): void {
  const path = xattrPath(place);
  const done = lsetxattr(path, 'trusted.overlay.opaque', Buffer.from('y'), 1, 0);
  check(done, 'lsetxattr', `${place.base}, trusted.overlay.opaque`);
}

/** The calls for extended attributes take paths only. */
function xattrPath(place: Place): Buffer {
  return Buffer.concat([procPath(place), Buffer.of(0)]);
}

/** Makes a directory root's, 0755, with no more attributes, so that what is made in it inherits none. */
export function resetDirectory(place: Place): void {
  const name = cPath(place.base);
  check(fchownat(place.parent, name, 0, 0, AT_SYMLINK_NOFOLLOW), 'fchownat', place.base);
  check(fchmodat(place.parent, name, 0o755, AT_SYMLINK_NOFOLLOW), 'fchmodat', place.base);
  for (const key of xattrsOf(place).keys()) {
    check(lremovexattr(xattrPath(place), cPath(key)), 'lremovexattr', `${place.base}, ${key}`);
  }
}

/** The attributes that an entry has. */
export function attributesOf(
  place: Place,
  stat: BigIntStats = lstatSync(procPath(place), { bigint: true }),
): Attributes {
  return {
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    modified: timeFrom(stat.mtimeNs),
    xattrs: xattrsOf(place),
  };
}

/** The kernel's own limit on the list of names, and on each value: xattr(7). */
const maxXattrBytes = 65_536;
const buffer = Buffer.allocUnsafeSlow(maxXattrBytes);
/** Those that the node gives to files by itself: labels of SELinux, properties of btrfs. */
const nodeOwn = ['security.selinux', 'btrfs.'];

function xattrsOf(place: Place): Map<string, string> {
  const path = xattrPath(place);
  const length = check(llistxattr(path, buffer, buffer.length), 'llistxattr', place.base);
  const listed = buffer.toString('latin1', 0, length).split('\0').filter(Boolean);
  const names = listed.filter((name) => !nodeOwn.some((prefix) => name.startsWith(prefix)));
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
