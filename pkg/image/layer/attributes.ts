import { fchmodat, fchownat, lsetxattr, check, lastError, utimensat } from '#linux/libc.ts';
import type { Time } from './pax.ts';
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
 * Gives an entry, which root made, its owner, mode, extended attributes and times, in this order: a change of owner
 * takes away setuid bits and file capabilities, and everything but the time changes the time.
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

function setXattr(place: Place, key: string, value: string): void {
  // These would let a layer redirect overlayfs's lookups to other directories.
  if (overlayOwn.some((prefix) => key.startsWith(prefix))) return;
  const bytes = Buffer.from(value, 'latin1');
  const path = Buffer.concat([procPath(place), Buffer.of(0)]);
  const done = lsetxattr(path, cPath(key), bytes, bytes.length, 0);
  // Some filesystems, and symbolic links on any, hold no attributes of users; losing these is safe.
  if (
    done < 0 &&
    key.startsWith('user.') &&
    ['ENOTSUP', 'EOPNOTSUPP', 'EPERM'].includes(lastError())
  )
    return;
  check(done, 'lsetxattr', `${place.base}, ${key}`);
}

/** Makes a directory hide what is below it in other layers (overlayfs: opaque directories). */
export function makeOpaque(place: Place): void {
  const path = Buffer.concat([procPath(place), Buffer.of(0)]);
  const done = lsetxattr(path, 'trusted.overlay.opaque', Buffer.from('y'), 1, 0);
  check(done, 'lsetxattr', `${place.base}, trusted.overlay.opaque`);
}
