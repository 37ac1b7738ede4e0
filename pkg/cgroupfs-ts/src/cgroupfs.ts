import { existsSync } from 'node:fs';
import { controlFiles, statFiles } from './controller.ts';
import { addProcess, createTree } from './create.ts';
import { type DeviceRule, readDeviceRules } from './devices.ts';
import { freeze, isFrozen, thaw } from './freezer.ts';
import { killAll } from './kill.ts';
import { type CgroupLimits, readLimits, writeLimits } from './limits.ts';
import { type CgroupMounts, readMounts } from './mounts.ts';
import { oomKillsIn } from './oom-kills.ts';
import { removeTree, removeUnused, removeUnusedAncestors } from './remove.ts';
import { type CgroupStats, openStatsReader, statsIn, type StatsReader } from './stats.ts';
import { directoriesOf, processesIn } from './tree.ts';
import { type CgroupState, watchState, type WatchOptions } from './watch.ts';

/**
 * The cgroups of the machine. Paths begin at the root of the hierarchies, as in `/pods/web`; the same
 * cgroup may exist in several of them (cgroup v1), and each function sees to them all. Errors are
 * CgroupErrors, or the kernel's own.
 */
export type Cgroupfs = {
  readonly mounts: CgroupMounts;
  /** Whether some hierarchy has the cgroup. */
  exists(path: string): boolean;
  /** Makes it in every hierarchy, with its ancestors, and with all controllers that they pass on. */
  create(path: string): Promise<void>;
  /** Moves a process, with its threads, to it in every hierarchy. */
  add(path: string, pid: number): Promise<void>;
  /** The processes in it and below, sorted; none when it is gone. */
  processes(path: string): Promise<number[]>;
  /** Kills every process in it and below, and waits until they are gone, or throws saying who stays. */
  kill(path: string): Promise<void>;
  /** How many of its processes, and of those below, the kernel has killed for want of memory. */
  oomKills(path: string): Promise<number>;
  /** Makes all of its processes stand still, those below, too, or throws and lets them go on. */
  freeze(path: string): Promise<void>;
  /** Lets its processes go on. */
  thaw(path: string): Promise<void>;
  /** Whether all of its processes stand still. */
  frozen(path: string): Promise<boolean>;
  /** Sets those limits that are given. A value out of bounds is refused before any is written. */
  setLimits(path: string, limits: CgroupLimits): Promise<void>;
  /** The limits in force, but for `devices` and `unified`. */
  readLimits(path: string): Promise<CgroupLimits>;
  /** The device files that may be used; undefined without v1's controller of devices. */
  readDeviceRules(path: string): Promise<DeviceRule[] | undefined>;
  /** What it uses; undefined when it is gone. */
  readStats(path: string): Promise<CgroupStats | undefined>;
  /** The same for repeated reading, from files that stay open. */
  openStats(path: string): StatsReader;
  /** Its state, at once and after each change, until it is gone. */
  watch(path: string, options?: WatchOptions): AsyncGenerator<CgroupState, void, undefined>;
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
  /** How long freeze() and thaw() wait for the processes to stand, or to go on. */
  readonly freezeTimeoutMs?: number;
  /** How long remove() waits for a cgroup that is busy. */
  readonly removeTimeoutMs?: number;
};

const defaults = { killTimeoutMs: 10_000, freezeTimeoutMs: 2000, removeTimeoutMs: 2000 };

export function openCgroupfs(options: CgroupfsOptions = {}): Cgroupfs {
  const { killTimeoutMs, freezeTimeoutMs, removeTimeoutMs } = { ...defaults, ...options };
  const mounts = options.mounts ?? readMounts();
  return {
    mounts,
    exists: (path) => path === '/' || directoriesOf(mounts, path).some((dir) => existsSync(dir)),
    create: (path) => createTree(mounts, path),
    add: (path, pid) => addProcess(mounts, path, pid),
    processes: (path) => processesIn(mounts, path),
    kill: (path) => killAll(mounts, path, killTimeoutMs),
    oomKills: (path) => oomKillsIn(mounts, path),
    freeze: (path) => freeze(mounts, path, freezeTimeoutMs),
    thaw: (path) => thaw(mounts, path, freezeTimeoutMs),
    frozen: (path) => isFrozen(mounts, path),
    setLimits: (path, limits) => writeLimits(mounts, path, limits),
    readLimits: (path) => readLimits(mounts, path),
    readDeviceRules: async (path) => readDeviceRules(controlFiles(mounts, path)),
    readStats: async (path) => statsIn(statFiles(mounts, path)),
    openStats: (path) => openStatsReader(mounts, path),
    watch: (path, watchOptions) => watchState(mounts, path, watchOptions),
    remove: (path) => removeTree(mounts, path, removeTimeoutMs),
    removeEmpty: async (path) => {
      await removeUnused(mounts, path);
    },
    removeEmptyAncestors: (path, upTo) => removeUnusedAncestors(mounts, path, upTo),
  };
}
