import { type FileHandle, open, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Gives a file its final name once its content is on the disk: after a crash at any moment, the name
 * stands for the old content, if any, or for the whole new one.
 */
export async function renameDurably(file: FileHandle, from: string, to: string): Promise<void> {
  await file.datasync();
  await rename(from, to);
  await using directory = await open(dirname(to));
  await directory.sync();
}

/** Writes a small file so; `temporary` is a path on the same filesystem that nobody else uses. */
export async function writeDurably(
  path: string,
  content: Uint8Array | string,
  temporary: string,
): Promise<void> {
  await using file = await open(temporary, 'w', 0o644);
  await writeFile(file, content);
  await renameDurably(file, temporary, path);
}
