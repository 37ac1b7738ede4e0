import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CgroupError, hasCode, isGone } from './error.ts';
import { type CgroupMounts, hierarchyRoots } from './mounts.ts';
import { childrenOf, hasChildren, plainSyncReader, type SyncReader } from './reader.ts';

/** Where a cgroup is, or would be, in each hierarchy. Refuses the root and paths that lead elsewhere. */
export function directoriesOf(mounts: CgroupMounts, path: string): string[] {
  return hierarchyRoots(mounts).map((root) => join(root, checkedPath(path)));
}

/** The directory that has the files of a controller; undefined when no hierarchy has it. */
export function controllerDirectory(
  mounts: CgroupMounts,
  controller: string,
  path: string,
): { readonly version: 1 | 2; readonly directory: string } | undefined {
  // The controller of block devices has another name in v1.
  const legacy = mounts.legacy.get(controller === 'io' ? 'blkio' : controller);
  if (legacy !== undefined) return { version: 1, directory: join(legacy, checkedPath(path)) };
  if (mounts.unified === undefined) return undefined;
  return { version: 2, directory: join(mounts.unified, checkedPath(path)) };
}

/** A directory and all below it, leaves first; empty when it is gone. */
export async function leavesFirst(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    const children = entries.filter((entry) => entry.isDirectory());
    const below = await Promise.all(children.map(({ name }) => leavesFirst(join(directory, name))));
    return [...below.flat(), directory];
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** The processes in the cgroup and below, in whichever hierarchy; sorted. */
export async function processesIn(mounts: CgroupMounts, path: string): Promise<number[]> {
  const trees = await Promise.all(directoriesOf(mounts, path).map(leavesFirst));
  const lists = await Promise.all(trees.flat().map(processesOf));
  return [...new Set(lists.flat())].toSorted((one, other) => one - other);
}

/** The first hierarchy's directory of the cgroup that there is. */
export function processesDirectory(mounts: CgroupMounts, path: string): string | undefined {
  return directoriesOf(mounts, path).find((each) => existsSync(each));
}

/** The processes in a directory and below, at once; unsorted. */
export function processesBelow(directory: string, reader: SyncReader): number[] {
  const pids = listProcesses(directory, reader);
  // Some are listed twice.
  return pids.length < 2 ? pids : [...new Set(pids)];
}

function listProcesses(directory: string, reader: SyncReader): number[] {
  const own = pidsIn(reader.read(`${directory}/cgroup.procs`) ?? '');
  if (!hasChildren(directory)) return own;
  // What is below comes and goes.
  const below = childrenOf(directory).map((each) => listProcesses(each, plainSyncReader));
  return [...own, ...below.flat()];
}

async function processesOf(directory: string): Promise<number[]> {
  try {
    const text = await readFile(join(directory, 'cgroup.procs'), 'utf8');
    return pidsIn(text);
  } catch (error) {
    // ENOTSUP: a threaded cgroup, whose processes are listed further up (cgroups(7)).
    if (isGone(error) || hasCode(error, 'ENOTSUP')) return [];
    throw error;
  }
}

/** 0 stands for a process outside of our pid namespace. */
function pidsIn(text: string): number[] {
  return text
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 0);
}

function checkedPath(path: string): string {
  const parts = path.split('/').slice(1);
  const isSound = parts.every((part) => part !== '' && part !== '.' && part !== '..');
  if (path.startsWith('/') && isSound) return path;
  throw new CgroupError('use', path, { reason: 'not an absolute path below the root' });
}
