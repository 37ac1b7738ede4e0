import { chmod, chown, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '#errors/fault.ts';
import type { Trash } from './trash.ts';

/** Where a container's own writes go: overlayfs's upper and work directory. */
export type Writable = { readonly upper: string; readonly work: string };

export type WritableOptions = {
  /** The directory of the layer below, whose attributes the container's root directory has. */
  readonly lower: string;
  readonly bootId: string;
  readonly trash: Trash;
};

/**
 * Makes a container's writable layer in `directory`, or finds the one that it has.
 *
 * It is for a mount with the option `volatile`, under which overlayfs never syncs what it writes: a
 * container that ends would flush the whole filesystem. What such a layer holds after a crash of the
 * machine is not to be relied on, so it is made anew when `bootId` has changed. Within one boot the
 * page cache has it whole, and overlayfs's refusal to mount it twice is lifted.
 */
export async function prepareWritable(
  directory: string,
  { lower, bootId, trash }: WritableOptions,
): Promise<Writable> {
  const upper = join(directory, 'upper');
  const work = join(directory, 'work');
  const bootFile = join(directory, 'boot-id');
  if ((await readIfPresent(bootFile)) === bootId) {
    await rm(join(work, 'work', 'incompat'), { recursive: true, force: true });
    return { upper, work };
  }
  trash.discard(directory);
  await mkdir(work, { recursive: true, mode: 0o700 });
  await mkdir(upper);
  const { mode, uid, gid } = await stat(lower);
  await chown(upper, uid, gid);
  await chmod(upper, mode & 0o7777);
  // Written last: it says that the rest is there.
  await writeFile(bootFile, bootId);
  return { upper, work };
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
