import { lstatSync, renameSync, unlinkSync } from 'node:fs';
import { applyAttributes, attributesOf, resetDirectory } from './attributes.ts';
import { entriesOf, TreeCopy } from './copy.ts';
import { existingAt, joinPath, procPath, splitPath, Tree } from './tree.ts';

export type MergeRequest = {
  /** Where the layer was unpacked; good for nothing afterwards. */
  readonly source: string;
  /** A tree of the layers below. */
  readonly target: string;
  /** What the layer takes away from those below: paths as bytes, held as latin1 text. */
  readonly hidden: readonly string[];
};

/**
 * Puts a layer on a tree of those below, so that it is what overlayfs would show: what the layer hides
 * goes, its files take the place of others, its directories lend their attributes to those that were
 * there. Its files are moved, or copied where the target is another device, as each subvolume of a
 * btrfs is one.
 */
export function mergeLayer({ source, target, hidden }: MergeRequest, isGone: () => boolean): void {
  using layer = new Tree(source);
  using tree = new Tree(target);
  const copy = new TreeCopy(layer, tree, isGone);
  const isOneDevice = lstatSync(source).dev === lstatSync(target).dev;
  const move = (path: string): void =>
    renameSync(procPath(layer.find(path)), procPath(tree.find(path)));
  const put = isOneDevice ? move : (path: string): void => copy.add(path);
  mergeDirectory({ layer, tree, hidden: byDirectory(hidden), put }, '');
}

type Merge = {
  readonly layer: Tree;
  readonly tree: Tree;
  readonly hidden: ReadonlyMap<string, readonly string[]>;
  /** Brings an entry of the layer, with all in it, to the tree, where nothing is in its place. */
  readonly put: (path: string) => void;
};

/** From the root down, so that everything above `path` is a directory in both, and no link. */
function mergeDirectory(merge: Merge, path: string): void {
  const { layer, tree, hidden, put } = merge;
  // Moving things out of the directory changes its time.
  const attributes = attributesOf(layer.find(path));
  // What is made in a directory may inherit from it: a group, access control lists.
  resetDirectory(tree.find(path));
  for (const each of hidden.get(path) ?? []) tree.clear(each);
  for (const { name, isDirectory } of entriesOf(layer.find(path))) {
    const entry = joinPath(path, name);
    const existing = existingAt(tree.find(entry));
    if (isDirectory && existing === 'directory') {
      mergeDirectory(merge, entry);
    } else {
      if (existing === 'directory') tree.clear(entry);
      else if (existing !== 'nothing') unlinkSync(procPath(tree.find(entry)));
      put(entry);
    }
  }
  applyAttributes(tree.find(path), attributes, { hasMode: true });
}

function byDirectory(paths: readonly string[]): Map<string, string[]> {
  return Map.groupBy(paths, (path) => splitPath(path).directory);
}
