import { closeSync, constants, lstatSync, openSync, rmSync } from 'node:fs';
import { isErrno } from '#errors/fault.ts';
import { check, close, mkdirat, openat2 } from '#linux/libc.ts';

/**
 * Where an entry of a directory tree is: an open directory and a name in it. Names are bytes, held
 * as latin1 text. Good for the next two places or so that the tree is asked for.
 */
export type Place = { readonly parent: number; readonly base: string };

// <fcntl.h>, <linux/openat2.h>
const O_PATH = 0o10_000_000;
const O_CLOEXEC = 0o2_000_000;
const RESOLVE_NO_MAGICLINKS = 0x02n;
const RESOLVE_IN_ROOT = 0x10n;
const how = new BigUint64Array([
  BigInt(O_PATH | O_CLOEXEC | constants.O_DIRECTORY),
  0n,
  RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
]);

const maxOpenDirectories = 64;
const maxTries = 1000;

/** A path as the kernel wants it: the bytes, and a zero after them. */
export function cPath(name: string): Buffer {
  return Buffer.from(`${name}\0`, 'latin1');
}

/** The path of an entry of a directory; the root's path is empty. */
export function joinPath(directory: string, base: string): string {
  return directory === '' ? base : `${directory}/${base}`;
}

export function splitPath(path: string): { readonly directory: string; readonly base: string } {
  const slash = path.lastIndexOf('/');
  return { directory: path.slice(0, Math.max(slash, 0)), base: path.slice(slash + 1) };
}

/** A path through which the calls that know no directory descriptors reach an entry. */
export function procPath({ parent, base }: Place): Buffer {
  return Buffer.from(`/proc/self/fd/${parent}/${base}`, 'latin1');
}

/**
 * A directory tree as seen from its root, which nothing in it can leave: neither `..` nor symbolic
 * links, wherever they point to (openat2(2), RESOLVE_IN_ROOT). Paths in it have no leading slash;
 * the root's is empty. Descriptors of the directories used last are kept open.
 */
export class Tree implements Disposable {
  readonly #root: number;
  readonly #open = new Map<string, number>();
  readonly #created: (path: string) => void;

  /** `created` is told of each directory that had to be made on the way to another path. */
  constructor(directory: string, created: (path: string) => void = () => {}) {
    this.#root = openSync(directory, 'r');
    this.#created = created;
  }

  /** Where `path` is, whose directory must exist. */
  find(path: string): Place {
    return this.#place(path, (directory) => this.#directory(directory));
  }

  /** Where `path` is or shall be; missing directories above it are made, 0755. */
  reach(path: string): Place {
    return this.#place(path, (directory) => this.#reachDirectory(directory));
  }

  /** Removes whatever is at `path`; returns its place, as older ones of this tree have ended. */
  clear(path: string): Place {
    rmSync(procPath(this.find(path)), { recursive: true, force: true });
    this.#forget();
    return this.find(path);
  }

  [Symbol.dispose](): void {
    this.#forget();
    closeSync(this.#root);
  }

  /** What is removed may have been one of the kept directories, or a link on the way to one. */
  #forget(): void {
    for (const fd of this.#open.values()) close(fd);
    this.#open.clear();
  }

  #place(path: string, open: (directory: string) => number): Place {
    if (path === '') return { parent: this.#root, base: '.' };
    const { directory, base } = splitPath(path);
    return { parent: open(directory), base };
  }

  #reachDirectory(path: string): number {
    try {
      return this.#directory(path);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
    const { parent, base } = this.reach(path);
    check(mkdirat(parent, cPath(base), 0o755), 'mkdirat', path);
    this.#created(path);
    return this.#directory(path);
  }

  #directory(path: string): number {
    if (path === '') return this.#root;
    const fd = this.#open.get(path) ?? this.#openDirectory(path);
    // The last one asked for goes to the end, away from the one that is closed.
    this.#open.delete(path);
    this.#open.set(path, fd);
    const [oldest] = this.#open;
    if (oldest !== undefined && this.#open.size > maxOpenDirectories) {
      this.#open.delete(oldest[0]);
      close(oldest[1]);
    }
    return fd;
  }

  /** EAGAIN: something, anywhere in the system, was renamed while `..` was followed. */
  #openDirectory(path: string): number {
    for (let tries = 0; ; tries++) {
      try {
        return check(openat2(this.#root, cPath(path), how, how.byteLength), 'openat2', path);
      } catch (error) {
        if (!isErrno(error, 'EAGAIN') || tries >= maxTries) throw error;
      }
    }
  }
}

export type Existing = 'nothing' | 'directory' | 'whiteout' | 'other';

/** What is at a place. A whiteout is overlayfs's mark of a removed entry: a 0/0 character device. */
export function existingAt(place: Place): Existing {
  const stat = lstatSync(procPath(place), { throwIfNoEntry: false });
  if (stat === undefined) return 'nothing';
  if (stat.isDirectory()) return 'directory';
  return stat.isCharacterDevice() && stat.rdev === 0 ? 'whiteout' : 'other';
}
