import { lstatSync } from 'node:fs';
import { entriesOf } from './copy.ts';
import { joinPath, procPath, Tree } from './tree.ts';

const fsBlockBytes = 4096;

/** What a file of so many bytes takes on the disk; a directory is taken for one block. */
export function bytesOnDisk(contentBytes: number): number {
  return Math.ceil(contentBytes / fsBlockBytes) * fsBlockBytes;
}

/** What is in a directory, counted as for a layer that is unpacked: files with several names once. */
export function measureTree(directory: string): { usedBytes: number; inodes: number } {
  using tree = new Tree(directory);
  const seen = new Set<bigint>();
  let usedBytes = 0;
  const visit = (path: string): void => {
    for (const { name, isDirectory } of entriesOf(tree.find(path))) {
      const entry = joinPath(path, name);
      const stat = lstatSync(procPath(tree.find(entry)), { bigint: true });
      if (!seen.has(stat.ino)) usedBytes += isDirectory ? fsBlockBytes : fileBytes(stat);
      seen.add(stat.ino);
      if (isDirectory) visit(entry);
    }
  };
  visit('');
  return { usedBytes, inodes: seen.size };
}

function fileBytes(stat: { readonly size: bigint; isFile(): boolean }): number {
  return stat.isFile() ? bytesOnDisk(Number(stat.size)) : 0;
}
