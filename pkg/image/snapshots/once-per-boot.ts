import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '#errors/fault.ts';
import type { Trash } from '#image/trash.ts';

/**
 * Has `fill` make what belongs into `directory`, unless it did so since the machine started.
 *
 * Nobody syncs what containers write, so what such a directory holds after a crash of the machine is
 * not to be relied on. Within one boot the page cache has it whole, also when the daemon was killed.
 */
export async function makeOncePerBoot(
  directory: string,
  { bootId, trash }: { readonly bootId: string; readonly trash: Trash },
  fill: () => Promise<void>,
): Promise<void> {
  const bootFile = bootFileIn(directory);
  if ((await readIfPresent(bootFile)) === bootId) return;
  trash.discard(directory);
  await mkdir(directory, { mode: 0o700 });
  await fill();
  // Written last: it says that the rest is there.
  await writeFile(bootFile, bootId);
}

/** Written when all else in the directory is made. */
export function bootFileIn(directory: string): string {
  return join(directory, 'boot-id');
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
