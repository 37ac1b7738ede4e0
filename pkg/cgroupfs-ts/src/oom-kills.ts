import { join } from 'node:path';
import { toFlat } from './format.ts';
import type { CgroupMounts } from './mounts.ts';
import { plainReader } from './reader.ts';
import { controllerDirectory, leavesFirst } from './tree.ts';

/**
 * How many processes of the cgroup and those below the kernel has killed for want of memory; 0 when
 * the cgroup is gone, or nothing counts (v1 before Linux 4.13, or no memory controller).
 */
export async function oomKillsIn(mounts: CgroupMounts, path: string): Promise<number> {
  const memory = controllerDirectory(mounts, 'memory', path);
  if (memory === undefined) return 0;
  // v2 counts for a whole tree, v1 for each cgroup.
  if (memory.version === 2) return readKills(join(memory.directory, 'memory.events'));
  const tree = await leavesFirst(memory.directory);
  const counts = await Promise.all(
    tree.map((directory) => readKills(join(directory, 'memory.oom_control'))),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

async function readKills(file: string): Promise<number> {
  return toFlat(await plainReader.read(file)).get('oom_kill') ?? 0;
}
