import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { attributesOf } from '#image/layer/attributes.ts';
import { Tree } from '#image/layer/tree.ts';

/** All that can be seen of an entry; names and values of attributes are latin1 text. */
export type SeenEntry = {
  /** The bits of S_IFMT. */
  readonly type: number;
  /** In octal. */
  readonly mode: string;
  readonly owner: string;
  /** In seconds and nanoseconds. */
  readonly modified: string;
  readonly xattrs: Readonly<Record<string, string>>;
  readonly device: number;
  /** Of a directory, 0. */
  readonly links: number;
  /** Where a symbolic link points to; the digest of a file. */
  readonly content: string;
};

/** All entries of a tree by their paths, but the root itself; names as latin1 text. */
export function treeOf(directory: string): Record<string, SeenEntry> {
  using tree = new Tree(directory);
  const names = namesIn(directory, '').toSorted();
  return Object.fromEntries(names.map((name) => [name, entryOf(tree, directory, name)]));
}

/** Node's own recursion follows symbolic links. */
function namesIn(directory: string, below: string): string[] {
  const path = Buffer.from(`${directory}/${below}`, 'latin1');
  return readdirSync(path, { encoding: 'buffer', withFileTypes: true }).flatMap((entry) => {
    const name = below + entry.name.toString('latin1');
    return entry.isDirectory() ? [name, ...namesIn(directory, `${name}/`)] : [name];
  });
}

function entryOf(tree: Tree, directory: string, name: string): SeenEntry {
  const path = Buffer.from(`${directory}/${name}`, 'latin1');
  const stat = lstatSync(path);
  const { mode, uid, gid, modified, xattrs } = attributesOf(tree.find(name));
  return {
    type: stat.mode & 0o170_000,
    mode: mode.toString(8),
    owner: `${uid}:${gid}`,
    modified: `${modified.seconds}.${modified.nanoseconds}`,
    xattrs: Object.fromEntries(xattrs),
    device: stat.rdev,
    links: stat.isDirectory() ? 0 : stat.nlink,
    content: stat.isFile()
      ? digestOf(readFileSync(path))
      : stat.isSymbolicLink()
        ? readlinkSync(path, 'latin1')
        : '',
  };
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
