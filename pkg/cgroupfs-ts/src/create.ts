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
 * Lets those below a v2 cgroup have the controllers which it has, but not when processes are in the
 * cgroup itself (EBUSY), or it is threaded (ENOTSUP): a limit that is set below is refused, then.
 * Looks for processes first: beside them the kernel takes `cpu` and `pids` alone, and then lets no
 * process into the cgroups below (cgroup-v2.rst, "Threads").
 */
async function passControllersOn(directory: string, path: string): Promise<void> {
  const read = async (file: string) =>
    ((await plainReader.read(join(directory, file))) ?? '').split(/\s+/).filter(Boolean);
  const passed = new Set(await read('cgroup.subtree_control'));
  const missing = (await read('cgroup.controllers')).filter((name) => !passed.has(name));
  // The root, which has no type, passes controllers on whatever is in it.
  const isRoot = (await read('cgroup.type')).length === 0;
  const isBusy = !isRoot && (await read('cgroup.procs')).length > 0;
  if (missing.length === 0 || isBusy) return;
  const value = missing.map((name) => `+${name}`).join(' ');
  try {
    await writeControl(
      { act: 'create', path, directory },
      { file: 'cgroup.subtree_control', value },
    );
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (!hasCode(cause, 'EBUSY', 'ENOTSUP')) throw error;
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
