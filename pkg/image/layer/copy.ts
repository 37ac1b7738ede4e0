import {
  type BigIntStats,
  constants,
  copyFileSync,
  lstatSync,
  readdirSync,
  readlinkSync,
} from 'node:fs';
import { Fault } from '#errors/fault.ts';
import { check, linkat, mkdirat, mknodat, symlinkat } from '#linux/libc.ts';
import { applyAttributes, attributesOf } from './attributes.ts';
import { cPath, joinPath, type Place, procPath, Tree } from './tree.ts';

/** Two directories that are there. */
export type CopyRequest = { readonly source: string; readonly target: string };

/**
 * Copies a tree into an empty directory, with all that extracting a layer gives it. Nobody else may
 * change either. Throws `cancelled` when `isGone` says that the copy is wanted no more.
 */
export function copyTree({ source, target }: CopyRequest, isGone: () => boolean): void {
  using from = new Tree(source);
  using to = new Tree(target);
  new TreeCopy(from, to, isGone).fill('');
}

/** Copies entries from a tree to the same paths of another. */
export class TreeCopy {
  readonly #from: Tree;
  readonly #to: Tree;
  readonly #isGone: () => boolean;
  /** Where the files with several names were copied to, by inode. */
  readonly #links = new Map<bigint, string>();

  constructor(from: Tree, to: Tree, isGone: () => boolean) {
    this.#from = from;
    this.#to = to;
    this.#isGone = isGone;
  }

  /** Copies what is in a directory, and then what it is like: all that is made in it changes its time. */
  fill(path: string): void {
    for (const { name } of entriesOf(this.#from.find(path))) this.add(joinPath(path, name));
    applyAttributes(this.#to.find(path), attributesOf(this.#from.find(path)), { hasMode: true });
  }

  /** Copies an entry with all in it to where nothing is; the directory above must be plain root's. */
  add(path: string): void {
    if (this.#isGone()) throw new Fault('cancelled', 'no longer wanted');
    const [from, to] = [this.#from.find(path), this.#to.find(path)];
    const stat = lstatSync(procPath(from), { bigint: true });
    if (stat.isDirectory()) {
      check(mkdirat(to.parent, cPath(to.base), 0o755), 'mkdirat', path);
      return this.fill(path);
    }
    const first = this.#links.get(stat.ino);
    if (first !== undefined) return this.#link(first, path);
    if (stat.nlink > 1n) this.#links.set(stat.ino, path);
    copyContent(from, to, stat);
    applyAttributes(to, attributesOf(from, stat), { hasMode: !stat.isSymbolicLink() });
  }

  #link(first: string, path: string): void {
    const [known, to] = [this.#to.find(first), this.#to.find(path)];
    const made = linkat(known.parent, cPath(known.base), to.parent, cPath(to.base), 0);
    check(made, 'linkat', path);
  }
}

/** What is in a directory; names are latin1 text. */
export function entriesOf(
  place: Place,
): { readonly name: string; readonly isDirectory: boolean }[] {
  const entries = readdirSync(procPath(place), { encoding: 'buffer', withFileTypes: true });
  return entries.map((entry) => ({
    name: entry.name.toString('latin1'),
    isDirectory: entry.isDirectory(),
  }));
}

function copyContent(from: Place, to: Place, stat: BigIntStats): void {
  if (stat.isFile()) {
    // Shares the content where the filesystem can, and otherwise leaves copying to the kernel.
    const mode = constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE;
    copyFileSync(procPath(from), procPath(to), mode);
  } else if (stat.isSymbolicLink()) {
    const target = readlinkSync(procPath(from), 'latin1');
    check(symlinkat(cPath(target), to.parent, cPath(to.base)), 'symlinkat', to.base);
  } else {
    const [mode, device] = [Number(stat.mode), Number(stat.rdev)];
    check(mknodat(to.parent, cPath(to.base), mode, device), 'mknodat', to.base);
  }
}
