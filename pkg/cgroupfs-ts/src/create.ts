import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeControl } from './control-file.ts';
import { hasCode } from './error.ts';
import { type CgroupMounts, hierarchyRoots } from './mounts.ts';
import { plainReader } from './reader.ts';
import { directoriesOf } from './tree.ts';

/** Makes the cgroup and its ancestors, as far as they are missing, in every hierarchy. */
export async function createTree(mounts: CgroupMounts, path: string): Promise<void> {
  directoriesOf(mounts, path); // Refuses paths that lead elsewhere.
  for (const root of hierarchyRoots(mounts)) {
    let parent = root;
    for (const name of path.split('/').slice(1)) {
      const directory = join(parent, name);
      if (root === mounts.unified) await passControllersOn(parent, path);
      await mkdir(directory, { recursive: true });
      if (root === mounts.legacy.get('cpuset')) await inheritCpuset({ parent, directory, path });
      parent = directory;
    }
  }
}

/** Moves a process, with all its threads, to the cgroup in every hierarchy. */
export async function addProcess(mounts: CgroupMounts, path: string, pid: number): Promise<void> {
  for (const directory of directoriesOf(mounts, path)) {
    const place = { act: 'enter', path, directory };
    await writeControl(place, { file: 'cgroup.procs', value: String(pid) });
  }
}

/**
 * Lets those below a v2 cgroup have the controllers which it has. Each by itself, since some may be
 * refused: EBUSY where processes are in the parent itself, EINVAL where its kind forbids it. Those are
 * missed when a limit is set.
 */
async function passControllersOn(directory: string, path: string): Promise<void> {
  const read = async (file: string) =>
    ((await plainReader.read(join(directory, file))) ?? '').split(/\s+/).filter(Boolean);
  const passed = new Set(await read('cgroup.subtree_control'));
  for (const controller of (await read('cgroup.controllers')).filter((name) => !passed.has(name))) {
    const write = { file: 'cgroup.subtree_control', value: `+${controller}` };
    try {
      await writeControl({ act: 'create', path, directory }, write);
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined;
      if (!hasCode(cause, 'EBUSY', 'EINVAL', 'EOPNOTSUPP')) throw error;
    }
  }
}

/** A new v1 cpuset is empty, and takes no process before it has processors and memory. */
async function inheritCpuset(place: {
  readonly parent: string;
  readonly directory: string;
  readonly path: string;
}): Promise<void> {
  const { parent, directory, path } = place;
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if ((await plainReader.read(join(directory, file)))?.trim() !== '') continue;
    const value = (await plainReader.read(join(parent, file)))?.trim() ?? '';
    await writeControl({ act: 'create', path, directory }, { file, value });
  }
}
