import { existsSync } from 'node:fs';
import { isFrozen, oomKillsIn } from './events.ts';
import { killAll } from './kill.ts';
import { type CgroupMounts, readMounts } from './mounts.ts';
import { removeTree, removeUnused, removeUnusedAncestors } from './remove.ts';
import { directoriesOf, processesIn } from './tree.ts';

/**
 * The cgroups of the machine. Paths begin at the root of the hierarchies, as in `/pods/web`; the same
 * cgroup may exist in several of them (cgroup v1), and each function sees to them all. Errors are
 * CgroupErrors, or the kernel's own.
 */
export type Cgroupfs = {
  readonly mounts: CgroupMounts;
  /** Whether some hierarchy has the cgroup. */
  exists(path: string): boolean;
  /** The processes in it and below, sorted; none when it is gone. */
  processes(path: string): Promise<number[]>;
  /** Kills every process in it and below, and waits until they are gone, or throws saying who stays. */
  kill(path: string): Promise<void>;
  /** How many of its processes, and of those below, the kernel has killed for want of memory. */
  oomKills(path: string): Promise<number>;
  /** Whether all of its processes stand still. */
  frozen(path: string): Promise<boolean>;
  /** Removes it and those below, which must have no processes. Succeeds when there is none. */
  remove(path: string): Promise<void>;
  /** Removes it and those below as far as nobody uses them. */
  removeEmpty(path: string): Promise<void>;
  /** Removes the ancestors of `path` as far as nobody uses them, up to but without `upTo`. */
  removeEmptyAncestors(path: string, upTo: string): Promise<void>;
};

export type CgroupfsOptions = {
  /** Where the hierarchies are; absent for what the process sees now. */
  readonly mounts?: CgroupMounts;
  /** How long kill() waits for the processes to go. */
  readonly killTimeoutMs?: number;
  /** How long remove() waits for a cgroup that is busy. */
  readonly removeTimeoutMs?: number;
};

const defaults = { killTimeoutMs: 10_000, removeTimeoutMs: 2000 };

export function openCgroupfs(options: CgroupfsOptions = {}): Cgroupfs {
  const { killTimeoutMs, removeTimeoutMs } = { ...defaults, ...options };
  const mounts = options.mounts ?? readMounts();
  return {
    mounts,
    exists: (path) => path === '/' || directoriesOf(mounts, path).some((dir) => existsSync(dir)),
    processes: (path) => processesIn(mounts, path),
    kill: (path) => killAll(mounts, path, killTimeoutMs),
    oomKills: (path) => oomKillsIn(mounts, path),
    frozen: (path) => isFrozen(mounts, path),
    remove: (path) => removeTree(mounts, path, removeTimeoutMs),
    removeEmpty: async (path) => {
      await removeUnused(mounts, path);
    },
    removeEmptyAncestors: (path, upTo) => removeUnusedAncestors(mounts, path, upTo),
  };
}
