import { type BigIntStats, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { lgetxattr } from '#linux/libc.ts';

/** One path that the container sees otherwise than the image has it. */
export type Change = {
  readonly kind: 'added' | 'changed' | 'deleted';
  /** As the container has it, from its root on. */
  readonly path: string;
};

/**
 * What the upper directory of an overlay changes in the lower ones, of which the first is the topmost
 * (Documentation/filesystems/overlayfs.rst): sorted by path. What is below a deleted directory, is not told.
 */
export function upperChanges(upper: string, lowers: readonly string[]): Change[] {
  return changesIn('/', { upper, lowers });
}

type Stack = { readonly upper: string; readonly lowers: readonly string[] };

function changesIn(path: string, stack: Stack): Change[] {
  const folder = join(stack.upper, path);
  const names = readdirSync(folder);
  const written = names.flatMap((name) => changesAt(join(path, name), stack));
  // Of a directory that was made anew, what it had before is gone without a mark for each.
  const hidden = isOpaque(folder)
    ? namesBelow(path, stack.lowers).filter((name) => !names.includes(name))
    : [];
  const deleted = hidden.map((name): Change => ({ kind: 'deleted', path: join(path, name) }));
  return sorted([...written, ...deleted]);
}

export function sorted(changes: readonly Change[]): Change[] {
  return changes.toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

function changesAt(path: string, stack: Stack): Change[] {
  const stat = lstatSync(join(stack.upper, path), { bigint: true });
  const isOld = entryBelow(path, stack.lowers) !== undefined;
  if (isWhiteout(stat)) return isOld ? [{ kind: 'deleted', path }] : [];
  const change: Change = { kind: isOld ? 'changed' : 'added', path };
  return stat.isDirectory() ? [change, ...changesIn(path, stack)] : [change];
}

/** Where the lower directories, seen together, have what is at `path`; undefined for nothing. */
export function entryBelow(path: string, lowers: readonly string[]): string | undefined {
  const parts = path.split('/').filter(Boolean);
  for (const lower of lowers) {
    const seen = look(lower, parts);
    if (seen === 'hidden') return undefined;
    if (seen === 'there') return join(lower, path);
  }
  return undefined;
}

/** What one lower directory says; `hidden` is that those below it do not count. */
function look(lower: string, parts: readonly string[]): 'there' | 'nothing' | 'hidden' {
  let place = lower;
  for (const [n, part] of parts.entries()) {
    const isCovering = isOpaque(place);
    place = join(place, part);
    const stat = lstatSync(place, { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) return isCovering ? 'hidden' : 'nothing';
    if (isWhiteout(stat)) return 'hidden';
    // A file in the place of a directory covers what that had.
    if (!stat.isDirectory() && n < parts.length - 1) return 'hidden';
  }
  return 'there';
}

/** The names that the lower directories, seen together, have in a directory. */
export function namesBelow(path: string, lowers: readonly string[]): string[] {
  const names = lowers.flatMap((lower) => {
    try {
      return readdirSync(join(lower, path));
    } catch {
      return [];
    }
  });
  return [...new Set(names)].filter((name) => entryBelow(join(path, name), lowers) !== undefined);
}

/** A character device 0:0 takes the lower one away. */
function isWhiteout(stat: BigIntStats): boolean {
  return stat.isCharacterDevice() && stat.rdev === 0n;
}

function isOpaque(folder: string): boolean {
  const value = Buffer.alloc(1);
  const length = lgetxattr(
    Buffer.from(`${folder}\0`),
    Buffer.from('trusted.overlay.opaque\0'),
    value,
    1,
  );
  return length === 1 && value.toString() === 'y';
}
