import { closeSync, constants, lstatSync, openSync, type Stats } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { openDirectoryInRoot } from '#linux/in-root.ts';
import { ExitError } from './command.ts';
import { type Entry, pathOf } from './copy-tree.ts';

// <asm-generic/fcntl.h>; for looking up names below, and for nothing else.
const O_PATH = 0o10000000;

/** One end of a copy: a path as a process would see it whose root directory is `root`. */
export type Side = {
  /** `/` for the node. */
  readonly root: string;
  readonly path: string;
  /** As it was named, for messages. */
  readonly text: string;
};

/** Descriptors that close with the scope. */
export class Descriptors implements Disposable {
  readonly #stack = new DisposableStack();

  add(fd: number): number {
    return this.#stack.adopt(fd, closeSync);
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

/** The directory at a side; undefined when there is none. Symbolic links lead nowhere out of the root. */
export function directoryAt(side: Side, opened: Descriptors): number | undefined {
  if (side.root === '/') {
    try {
      return opened.add(openSync(resolve(side.path), O_PATH | constants.O_DIRECTORY));
    } catch {
      return undefined;
    }
  }
  const fd = openDirectoryInRoot(side.root, side.path);
  return fd === undefined ? undefined : opened.add(fd);
}

/** What is to be copied: the content of a directory, if the path ends with `/.`, or what it names. */
export function sourceAt(
  side: Side,
  opened: Descriptors,
): { readonly content: number } | { readonly entry: Entry; readonly stat: Stats } {
  const isContent = /(^|\/)\.\/?$/.test(side.path) || /^\/+$/.test(side.path);
  if (isContent) {
    const content = directoryAt(side, opened);
    if (content === undefined)
      throw new ExitError('failed', `there is no directory "${side.text}"`);
    return { content };
  }
  const entry = entryAt(side, opened);
  const stat = entry && lstatSync(pathOf(entry), { throwIfNoEntry: false });
  if (entry === undefined || stat === undefined) {
    throw new ExitError('failed', `there is no "${side.text}"`);
  }
  return { entry, stat };
}

/** The name at the end of a path, in its directory; undefined when there is no such directory. */
export function entryAt(side: Side, opened: Descriptors): Entry | undefined {
  const path = side.root === '/' ? resolve(side.path) : side.path.replace(/\/+$/, '');
  const name = basename(path);
  if (name === '..' || name === '') throw new ExitError('usage', `"${side.text}" names no file`);
  const directory = directoryAt({ ...side, path: dirname(path) }, opened);
  return directory === undefined ? undefined : { directory, name: Buffer.from(name) };
}
