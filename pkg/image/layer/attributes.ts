import { lstatSync } from 'node:fs';
import {
  check,
  fchmodat,
  fchownat,
  lastError,
  lgetxattr,
  llistxattr,
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
  if (hasMode) check(fchmodat(parent, name, mode, 0), 'fchmodat', base);
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

/** The attributes that an entry has. */
export function attributesOf(place: Place): Attributes {
  const stat = lstatSync(procPath(place), { bigint: true });
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

function xattrsOf(place: Place): Map<string, string> {
  const path = xattrPath(place);
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
