import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { join, posix } from 'node:path';
import { Fault } from '#errors/fault.ts';
import { digestOf } from '#image/digest.ts';
import { maxDocumentBytes } from '#image/documents.ts';
import type { ByteReader } from '#image/layer/bytes.ts';
import { type TarEntry, tarEntries } from '#image/layer/tar.ts';
import type { Descriptor } from '#api/oci/image.ts';

/** A file of an archive: where its content lies now, and what that is. */
export type ArchivedFile = Pick<Descriptor, 'digest' | 'size'> & { readonly path: string };

/** Far more than archives of images have; each one is a file for a while. */
const maxEntries = 10_000;
/** Chains of links are for nobody but those who mean harm. */
const maxLinks = 8;

/**
 * The files of an archive, each unpacked under a number of ours, so that no name of the archive ever
 * reaches the filesystem. Links lead to files of the archive or nowhere.
 */
export class ArchiveFiles {
  readonly #directory: string;
  readonly #byName = new Map<string, ArchivedFile>();
  readonly #byDigest = new Map<string, ArchivedFile>();
  readonly #links = new Map<string, string>();
  #lastNumber = 0;

  /** `directory` is an empty one; it and all in it belong to the caller. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Takes in a whole archive. Blocks until it is done. */
  unpack(reader: ByteReader): void {
    let entries = 0;
    for (const entry of tarEntries(reader)) {
      entries += 1;
      if (entries > maxEntries) throw refused(`it has more than ${maxEntries} entries`);
      this.#take(entry, reader);
    }
  }

  find(name: string): ArchivedFile | undefined {
    let target = name;
    for (let links = 0; links < maxLinks; links += 1) {
      const file = this.#byName.get(target);
      const next = this.#links.get(target);
      if (file !== undefined || next === undefined) return file;
      target = next;
    }
    return undefined;
  }

  /** Throws when the archive has no such file. */
  get(name: string): ArchivedFile {
    const file = this.find(name);
    if (file === undefined) throw refused(`it has no "${name}"`);
    return file;
  }

  /** What a descriptor names, whatever its own name in the archive is. */
  blob({ digest, size }: Pick<Descriptor, 'digest' | 'size'>): ArchivedFile {
    const file = this.#byDigest.get(digest);
    if (file === undefined) throw refused(`it has no blob "${digest}"`);
    if (file.size === size) return file;
    throw refused(`blob "${digest}" has ${file.size} bytes instead of ${size}`);
  }

  addBlob(bytes: Uint8Array): ArchivedFile {
    const path = this.#newPath();
    writeFileSync(path, bytes, { flag: 'wx', mode: 0o644 });
    return this.#enter({ path, digest: digestOf(bytes), size: bytes.length });
  }

  #take(entry: TarEntry, reader: ByteReader): void {
    const name = memberName(entry.name);
    switch (entry.type) {
      case 'directory':
        return;
      case 'file':
        return void this.#byName.set(name, this.#takeFile(name, entry.sizeBytes, reader));
      case 'link':
        return void this.#links.set(name, memberName(entry.linkName));
      case 'symlink':
        return void this.#links.set(name, memberName(linkTarget(name, entry.linkName)));
      case 'character':
      case 'block':
      case 'fifo':
        throw refused(`"${name}" is a device or a pipe`);
    }
  }

  #takeFile(name: string, size: number, reader: ByteReader): ArchivedFile {
    const { bavail, bsize } = statfsSync(this.#directory);
    if (size > bavail * bsize) {
      const sentence = `"${name}" has ${size} bytes, and there is room for ${bavail * bsize}`;
      throw new Fault('resource-exhausted', sentence);
    }
    const path = this.#newPath();
    const digest = writeHashed(path, size, reader);
    const named = /^blobs\/(sha256)\/([0-9a-f]{64})$/.exec(name);
    if (named !== null && digest !== `${named[1]}:${named[2]}`) {
      throw refused(`"${name}" has the digest "${digest}"`);
    }
    return this.#enter({ path, digest, size });
  }

  #enter(file: ArchivedFile): ArchivedFile {
    this.#byDigest.set(file.digest, file);
    return file;
  }

  #newPath(): string {
    this.#lastNumber += 1;
    return join(this.#directory, String(this.#lastNumber));
  }
}

/** Reads a file that has to be small. */
export function readDocument({ path, size }: ArchivedFile): Uint8Array {
  if (size <= maxDocumentBytes) return readFileSync(path);
  throw refused(`a document has ${size} bytes, more than the ${maxDocumentBytes} allowed`);
}

export function refused(reason: string): Fault {
  return new Fault('failed-precondition', reason);
}

function writeHashed(path: string, size: number, reader: ByteReader): string {
  const hash = createHash('sha256');
  const fd = openSync(path, 'wx', 0o644);
  try {
    reader.pass(size, (piece) => {
      hash.update(piece);
      for (let written = 0; written < piece.length;) written += writeSync(fd, piece, written);
    });
  } finally {
    closeSync(fd);
  }
  return `sha256:${hash.digest('hex')}`;
}

function linkTarget(name: string, target: string): string {
  return target.startsWith('/') ? target : posix.join(posix.dirname(name), target);
}

/** The path below the archive's top. One that leads elsewhere has no place in an archive of images. */
function memberName(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (!name.startsWith('/') && !parts.includes('..')) return parts.join('/');
  throw refused(`"${Buffer.from(name, 'latin1').toString()}" leads out of the archive`);
}
