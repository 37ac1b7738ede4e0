import { stageFault } from '#image/stage-fault.ts';
import { check, close, openat } from '#linux/libc.ts';
import { type ByteReader, writeAll } from './bytes.ts';
import { bytesOnDisk } from './disk-usage.ts';
import { type Extracted, newFile } from './extract.ts';
import { cPath, Tree } from './tree.ts';

/** Writes a stream, up to its end, into a new file of an empty directory: root's, 0644. */
export function placeFile(reader: ByteReader, directory: string, fileName: string): Extracted {
  const path = Buffer.from(fileName).toString('latin1');
  let inodes = 1;
  try {
    using tree = new Tree(directory, () => (inodes += 1));
    const { parent, base } = tree.reach(path);
    const fd = check(openat(parent, cPath(base), newFile, 0o644), 'openat', base);
    try {
      for (let piece = reader.take(Infinity); piece.length > 0; piece = reader.take(Infinity)) {
        writeAll(fd, piece);
      }
    } finally {
      close(fd);
    }
  } catch (cause) {
    throw stageFault(`write "${fileName}"`, cause);
  }
  const usedBytes = bytesOnDisk(reader.position) + (inodes - 1) * bytesOnDisk(1);
  return { usedBytes, inodes, implicitDirectories: [], hidden: [] };
}
