import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { hasCode, isGone } from './error.ts';

/** How the kernel's files are read. What is not there, or is gone, is undefined, or an empty list. */
export type Reader = {
  read(file: string): Promise<string | undefined>;
  list(directory: string): Promise<readonly string[]>;
};

/**
 * The same without waiting: the kernel answers from memory, mostly within microseconds, of which a
 * promise would take many times as much.
 */
export type SyncReader = {
  read(file: string): string | undefined;
  list(directory: string): readonly string[];
};

/** Opens and closes a file for each reading. */
export const plainReader: Reader = {
  read: async (file) => readFile(file, 'utf8').catch(refuseUnlessGone),
  list: async (directory) => (await readdir(directory).catch(refuseUnlessGone)) ?? [],
};

/**
 * The text of a file of the kernel, which comes in pieces of any length. Not by `readFileSync(file,
 * 'utf8')`: there Node 26.10 writes past the end of its memory when more than 64 KiB have come in
 * shorter pieces before the first one of 8 KiB.
 */
export function readText(file: string): string {
  return readFileSync(file).toString();
}

/** As plainReader. */
export const plainSyncReader: SyncReader = {
  read: (file) => unlessGone(() => readText(file)),
  list: (directory) => unlessGone(() => readdirSync(directory)) ?? [],
};

/** Keeps each file open from its first reading on; a file that is missing then is not looked for again. */
export class OpenReader implements SyncReader, Disposable {
  readonly #files = new Map<string, number | undefined>();
  readonly #lists = new Map<string, readonly string[]>();
  #isClosed = false;

  read(file: string): string | undefined {
    if (this.#isClosed) throw new Error('the reader is closed');
    if (!this.#files.has(file))
      this.#files.set(
        file,
        unlessGone(() => openSync(file, 'r')),
      );
    const fd = this.#files.get(file);
    return fd === undefined ? undefined : unlessGone(() => readWhole(fd));
  }

  list(directory: string): readonly string[] {
    const known = this.#lists.get(directory) ?? plainSyncReader.list(directory);
    this.#lists.set(directory, known);
    return known;
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const fd of this.#files.values()) if (fd !== undefined) closeSync(fd);
    this.#files.clear();
  }
}

/** Whether a directory has directories in it: the kernel counts them in the links to it. */
export function hasChildren(directory: string): boolean {
  return (unlessGone(() => statSync(directory))?.nlink ?? 0) > 2;
}

/** The directories in a directory: the cgroups below. */
export function childrenOf(directory: string): string[] {
  const entries = unlessGone(() => readdirSync(directory, { withFileTypes: true })) ?? [];
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => `${directory}/${name}`);
}

let buffer = Buffer.allocUnsafeSlow(16 * 1024);

/** Lists, as of processes, come a page at a time, less what the next entry would have taken. */
const shortBytes = 2048;

/** The text of a kernel's file of any length, from its beginning. A short piece of it is the last one. */
function readWhole(fd: number): string {
  for (let length = 0; ;) {
    const count = readSync(fd, buffer, length, buffer.length - length, length);
    length += count;
    if (count < shortBytes) return buffer.toString('utf8', 0, length);
    if (buffer.length - length < shortBytes * 2) buffer = Buffer.concat([buffer], length * 4);
  }
}

function unlessGone<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    return refuseUnlessGone(error);
  }
}

function refuseUnlessGone(error: unknown): undefined {
  // ENOTSUP: pressure that the kernel does not measure; a threaded cgroup's file.
  if (isGone(error) || hasCode(error, 'ENOTSUP')) return undefined;
  throw error;
}
