import { constants } from 'node:fs';
import { isErrno } from '#errors/fault.ts';
import { stageFault } from '#image/stage-fault.ts';
import {
  check,
  close,
  lastError,
  linkat,
  mkdirat,
  mknodat,
  openat,
  symlinkat,
} from '#linux/libc.ts';
import { applyAttributes, makeOpaque } from './attributes.ts';
import { type ByteReader, tooLarge, writeAll } from './bytes.ts';
import { type TarEntry, tarEntries } from './tar.ts';
import { malformed } from './tar-header.ts';
import { bytesOnDisk } from './disk-usage.ts';
import { cPath, existingAt, joinPath, type Place, splitPath, Tree } from './tree.ts';
import type { WhiteoutFormat } from './whiteouts.ts';

/** What an unpacked layer takes, and what it did not say. */
export type Extracted = {
  readonly usedBytes: number;
  readonly inodes: number;
  /**
   * Directories that the layer uses without describing them; the root's path is empty. Their owner
   * and mode are those of the layers below. Paths are bytes, held as latin1 text.
   */
  readonly implicitDirectories: readonly string[];
  /**
   * What the layer takes away from those below, if that was to be listed; without an order. The
   * root's empty path, for which overlayfs knows no mark, is there in any case.
   */
  readonly hidden: readonly string[];
};

export type ExtractOptions = {
  readonly directory: string;
  readonly whiteouts: WhiteoutFormat;
  readonly maxBytes: number;
};

const whiteoutPrefix = '.wh.';
const opaqueMarker = '.wh..wh..opq';
const nodeTypes = { character: 0o020_000, block: 0o060_000, fifo: 0o010_000 };
const O_CLOEXEC = 0o2_000_000;
/** How files are made: never through a link, never in place of something. */
export const newFile =
  constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | O_CLOEXEC;

/**
 * Unpacks a layer's archive into an empty directory. Whiteouts are listed, or marked as overlayfs
 * wants to find them: as 0/0 character devices, and by the attribute of opaque directories. A list has
 * the path of whatever is hidden, also of a directory that is opaque, and so hides the earlier one.
 * The calling thread must have an empty umask. Throws with the entry's name when one is not to be
 * had; what was unpacked before stays.
 */
export function extractLayer(
  reader: ByteReader,
  { directory, whiteouts, maxBytes }: ExtractOptions,
): Extracted {
  using extraction = new Extraction(directory, whiteouts);
  for (const entry of tarEntries(reader)) {
    try {
      // Said at once, not when as much has been written.
      if (entry.sizeBytes > maxBytes) throw tooLarge(maxBytes);
      extraction.add(entry, reader);
    } catch (cause) {
      throw stageFault(`extract "${Buffer.from(entry.name, 'latin1').toString()}"`, cause);
    }
  }
  return extraction.finish();
}

class Extraction implements Disposable {
  readonly #tree: Tree;
  readonly #implicit = new Set<string>(['']);
  /** Directories get their attributes last: all that is done in them changes their times. */
  readonly #directories = new Map<string, TarEntry>();
  readonly #hidden = new Set<string>();
  readonly #whiteouts: WhiteoutFormat;
  #usedBytes = 0;
  #inodes = 0;

  constructor(directory: string, whiteouts: WhiteoutFormat) {
    this.#whiteouts = whiteouts;
    this.#tree = new Tree(directory, (path) => {
      this.#implicit.add(path);
      this.#count(1);
    });
  }

  add(entry: TarEntry, reader: ByteReader): void {
    const path = cleanPath(entry.name);
    const { directory, base } = splitPath(path);
    if (base.startsWith(whiteoutPrefix)) return this.#hide(directory, base);
    if (isMark(entry)) return this.#hide(directory, whiteoutPrefix + base);
    switch (entry.type) {
      case 'directory':
        return this.#addDirectory(path, entry);
      case 'file':
        return this.#addFile(path, entry, reader);
      case 'link':
        return this.#addLink(path, cleanPath(entry.linkName));
      case 'symlink':
        return this.#addSymlink(path, entry);
      case 'character':
      case 'block':
      case 'fifo':
        return this.#addNode(path, entry, nodeTypes[entry.type]);
    }
  }

  /** To be called once, after the last entry. */
  finish(): Extracted {
    for (const [path, entry] of this.#directories) {
      const place = this.#directoryAt(path);
      if (place !== undefined) applyAttributes(place, entry, { hasMode: true });
    }
    return {
      usedBytes: this.#usedBytes,
      inodes: this.#inodes,
      implicitDirectories: [...this.#implicit].filter((path) => this.#directoryAt(path)),
      hidden: [...this.#hidden],
    };
  }

  /** None if, by way of a link to a directory above it, something else has taken its place. */
  #directoryAt(path: string): Place | undefined {
    try {
      const place = this.#tree.find(path);
      return existingAt(place) === 'directory' ? place : undefined;
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#tree[Symbol.dispose]();
  }

  /** A directory counts as a file of one byte. */
  #count(bytes: number): void {
    this.#inodes += 1;
    this.#usedBytes += bytesOnDisk(bytes);
  }

  #addDirectory(path: string, entry: TarEntry): void {
    if (path !== '') this.#makeDirectory(path);
    this.#implicit.delete(path);
    this.#directories.set(path, entry);
  }

  #makeDirectory(path: string): void {
    const place = this.#tree.reach(path);
    const existing = existingAt(place);
    if (existing === 'directory') return;
    const isOpaque = existing === 'whiteout';
    this.#create(path, 'mkdirat', ({ parent, base }) => mkdirat(parent, cPath(base), 0o755));
    this.#count(1);
    if (isOpaque) makeOpaque(this.#tree.find(path));
  }

  #addFile(path: string, entry: TarEntry, reader: ByteReader): void {
    const fd = this.#create(path, 'openat', ({ parent, base }) =>
      openat(parent, cPath(base), newFile, entry.mode & 0o777),
    );
    try {
      reader.pass(entry.sizeBytes, (piece) => writeAll(fd, piece));
    } finally {
      close(fd);
    }
    this.#count(entry.sizeBytes);
    this.#describe(path, entry);
  }

  #addLink(path: string, target: string): void {
    if (path === target) return;
    this.#create(path, 'linkat', ({ parent, base }) => {
      const from = this.#tree.find(target);
      return linkat(from.parent, cPath(from.base), parent, cPath(base), 0);
    });
  }

  #addSymlink(path: string, entry: TarEntry): void {
    this.#create(path, 'symlinkat', ({ parent, base }) =>
      symlinkat(cPath(entry.linkName), parent, cPath(base)),
    );
    this.#count(0);
    applyAttributes(this.#tree.find(path), entry, { hasMode: false });
  }

  #addNode(path: string, entry: TarEntry, type: number): void {
    const mode = type | (entry.mode & 0o777);
    this.#create(path, 'mknodat', ({ parent, base }) =>
      mknodat(parent, cPath(base), mode, deviceNumber(entry.device)),
    );
    this.#count(0);
    this.#describe(path, entry);
  }

  /** Files and nodes are made with their mode; only a change of owner takes special bits away. */
  #describe(path: string, entry: TarEntry): void {
    applyAttributes(this.#tree.find(path), entry, { hasMode: (entry.mode & 0o7000) !== 0 });
  }

  /** Makes an entry, in the stead of an earlier one of that name; returns what `make` returned. */
  #create(path: string, syscall: string, make: (place: Place) => number): number {
    const made = make(this.#tree.reach(path));
    if (made >= 0 || lastError() !== 'EEXIST') return check(made, syscall, path);
    for (const known of [this.#directories, this.#implicit]) {
      for (const key of known.keys()) {
        if (key === path || key.startsWith(`${path}/`)) known.delete(key);
      }
    }
    return check(make(this.#tree.clear(path)), syscall, path);
  }

  /**
   * Applies a whiteout, which hides what lower layers have, never what this one has: of a directory
   * of this layer, it hides what would show through.
   */
  #hide(directory: string, marker: string): void {
    if (marker === opaqueMarker) {
      // Reached as the parent of the marker, so that it is made if it is missing.
      this.#tree.reach(joinPath(directory, marker));
      if (this.#whiteouts === 'marks' && directory !== '') makeOpaque(this.#tree.find(directory));
      else this.#hidden.add(directory);
      return;
    }
    // Other names of this kind are aufs's own bookkeeping.
    if (marker.startsWith(whiteoutPrefix + whiteoutPrefix)) return;
    const hidden = marker.slice(whiteoutPrefix.length);
    if (['', '.', '..'].includes(hidden)) throw malformed(`a whiteout of "${hidden}"`);
    const path = joinPath(directory, hidden);
    const place = this.#tree.reach(path);
    if (this.#whiteouts === 'marks') this.#mark(place);
    else this.#hidden.add(path);
  }

  #mark(place: Place): void {
    const made = mknodat(place.parent, cPath(place.base), nodeTypes.character, 0);
    if (made >= 0) this.#count(0);
    else if (lastError() !== 'EEXIST') check(made, 'mknodat', place.base);
    else if (existingAt(place) === 'directory') makeOpaque(place);
  }
}

/** A path below the root without `.` and `..`, which cannot leave the root; the root's is empty. */
function cleanPath(name: string): string {
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** Some tools pack the directories of overlayfs as they are. */
function isMark({ type, device }: TarEntry): boolean {
  return type === 'character' && device.major === 0 && device.minor === 0;
}

/** As the kernel packs it: 12 bits of major between 8 low and 12 high bits of minor. */
function deviceNumber({ major, minor }: TarEntry['device']): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xf_ff00) << 12)) >>> 0;
}
