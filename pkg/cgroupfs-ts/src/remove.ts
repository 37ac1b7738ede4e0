import { rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CgroupError, hasCode, isGone } from './error.ts';
import type { CgroupMounts } from './mounts.ts';
import { retry } from './retry.ts';
import { directoriesOf, leavesFirst, processesIn } from './tree.ts';

/**
 * Removes the cgroup and all below it from every hierarchy. A cgroup whose last process has just ended
 * is busy for a moment; when it stays so for `timeoutMs`, a CgroupError says who is in it.
 */
export async function removeTree(
  mounts: CgroupMounts,
  path: string,
  timeoutMs: number,
): Promise<void> {
  const isRemoved = await retry(timeoutMs, () => removeUnused(mounts, path));
  if (isRemoved) return;
  const pids = await processesIn(mounts, path);
  const reason = pids.length === 0 ? 'it is busy' : `processes are in it: ${pids.join(', ')}`;
  throw new CgroupError('remove', path, { reason });
}

/** Removes what nobody uses of the cgroup and those below; says whether nothing is left. */
export async function removeUnused(mounts: CgroupMounts, path: string): Promise<boolean> {
  const removed = await Promise.all(directoriesOf(mounts, path).map(removeDirectories));
  return removed.every(Boolean);
}

/** Removes the ancestors of `path` that are not used any more, up to but without `upTo`. */
export async function removeUnusedAncestors(
  mounts: CgroupMounts,
  path: string,
  upTo: string,
): Promise<void> {
  const below = upTo === '/' ? '/' : `${upTo}/`;
  for (let parent = dirname(path); parent.startsWith(below); parent = dirname(parent)) {
    if (parent === '/') return;
    const directories = directoriesOf(mounts, parent);
    const removed = await Promise.all(directories.map(removeDirectory));
    if (!removed.every(Boolean)) return;
  }
}

async function removeDirectories(top: string): Promise<boolean> {
  let isRemoved = true;
  for (const directory of await leavesFirst(top)) {
    isRemoved = (await removeDirectory(directory)) && isRemoved;
  }
  return isRemoved;
}

/** Whether it is gone now. A cgroup with processes or with others below is busy. */
async function removeDirectory(directory: string): Promise<boolean> {
  try {
    await rmdir(directory);
    return true;
  } catch (error) {
    if (isGone(error)) return true;
    if (hasCode(error, 'EBUSY', 'ENOTEMPTY')) return false;
    throw error;
  }
}
