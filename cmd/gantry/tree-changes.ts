import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type Change, entryBelow, namesBelow, sorted } from './upper-changes.ts';

/**
 * What a directory has otherwise than the image of whose layers it is a copy: for snapshots without an
 * upper directory. Files are compared by size, owner, mode and time of the last change, not by content.
 */
export function treeChanges(tree: string, lowers: readonly string[]): Change[] {
  return changesIn('/', { tree, lowers });
}

type Pair = { readonly tree: string; readonly lowers: readonly string[] };

function changesIn(path: string, pair: Pair): Change[] {
  const names = readdirSync(join(pair.tree, path));
  const present = names.flatMap((name) => changesAt(join(path, name), pair));
  const gone = namesBelow(path, pair.lowers).filter((name) => !names.includes(name));
  const deleted = gone.map((name): Change => ({ kind: 'deleted', path: join(path, name) }));
  return sorted([...present, ...deleted]);
}

function changesAt(path: string, pair: Pair): Change[] {
  const place = join(pair.tree, path);
  const now = lstatSync(place, { bigint: true });
  const before = entryBelow(path, pair.lowers);
  const below = now.isDirectory() ? changesIn(path, pair) : [];
  if (before === undefined) return [{ kind: 'added', path }, ...below];
  const isSame = isAlike(now, lstatSync(before, { bigint: true })) && sameLink(now, place, before);
  return isSame ? below : [{ kind: 'changed', path }, ...below];
}

/** A directory's size and time tell of what is in it, which is looked at by itself. */
function isAlike(one: BigIntStats, other: BigIntStats): boolean {
  const keys = ['mode', 'uid', 'gid', 'rdev'] as const;
  if (keys.some((key) => one[key] !== other[key])) return false;
  return one.isDirectory() || (one.size === other.size && one.mtimeNs === other.mtimeNs);
}

function sameLink(stat: BigIntStats, one: string, other: string): boolean {
  return !stat.isSymbolicLink() || readlinkSync(one) === readlinkSync(other);
}
