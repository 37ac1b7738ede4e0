import { join } from 'node:path';
import { readOrNothing } from './control-file.ts';
import type { CgroupMounts } from './mounts.ts';
import { controllerDirectory, leavesFirst } from './tree.ts';

/**
 * How many processes of the cgroup and those below the kernel has killed for want of memory; 0 when
 * the cgroup is gone, or nothing counts (v1 before Linux 4.13, or no memory controller).
 */
export async function oomKillsIn(mounts: CgroupMounts, path: string): Promise<number> {
  const memory = controllerDirectory(mounts, 'memory', path);
  if (memory === undefined) return 0;
  // v2 counts for a whole tree, v1 for each cgroup.
  if (memory.version === 2) return readKey(join(memory.directory, 'memory.events'), 'oom_kill');
  const tree = await leavesFirst(memory.directory);
  const counts = await Promise.all(
    tree.map((directory) => readKey(join(directory, 'memory.oom_control'), 'oom_kill')),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Whether all of the cgroup's processes stand still. */
export async function isFrozen(mounts: CgroupMounts, path: string): Promise<boolean> {
  const freezer = controllerDirectory(mounts, 'freezer', path);
  if (freezer === undefined) return false;
  const { version, directory } = freezer;
  if (version === 2) return (await readKey(join(directory, 'cgroup.events'), 'frozen')) === 1;
  return (await readOrNothing(join(directory, 'freezer.state'))).trim() === 'FROZEN';
}

/** The number beside `key` in a flat-keyed file (cgroup-v2.rst, "Interface Files"); 0 without one. */
async function readKey(file: string, key: string): Promise<number> {
  const lines = (await readOrNothing(file)).split('\n');
  return Number(lines.find((line) => line.startsWith(`${key} `))?.split(' ')[1] ?? 0);
}
