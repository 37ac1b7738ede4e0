import { existsSync, type FSWatcher, watch } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Bell, openBell } from './bell.ts';
import { isGone } from './error.ts';
import { toFlat } from './format.ts';
import type { CgroupMounts } from './mounts.ts';
import { oomKillsIn } from './oom-kills.ts';
import { plainReader } from './reader.ts';
import { directoriesOf, processesIn } from './tree.ts';

/** What watch() tells of a cgroup. */
export type CgroupState = {
  /** Whether processes are in it, or below. */
  readonly isPopulated: boolean;
  /** How many of them the kernel has killed for want of memory so far. */
  readonly oomKills: number;
};

export type WatchOptions = {
  /** Ends the watching: it throws the reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How often to look where v1 is in use. v1 tells of events through eventfd(2) only, which Node cannot
   * make; v2 through inotify(7), without delay.
   */
  readonly pollIntervalMs?: number | undefined;
};

const usualPollIntervalMs = 1000;

/**
 * The state of the cgroup, at once and then after each change, until the cgroup is gone. Whoever is
 * slow to ask misses states in between, but not the last one.
 */
export async function* watchState(
  mounts: CgroupMounts,
  path: string,
  { signal, pollIntervalMs = usualPollIntervalMs }: WatchOptions = {},
): AsyncGenerator<CgroupState, void, undefined> {
  signal?.throwIfAborted();
  using bell = openBell(signal);
  using sources = new DisposableStack();
  if (mounts.unified !== undefined) listen(sources, join(mounts.unified, path), bell);
  if (mounts.legacy.size > 0) {
    sources.adopt(setInterval(bell.ring, pollIntervalMs), clearInterval);
  }
  for (let last: CgroupState | undefined; ; await bell.rung()) {
    const state = await readState(mounts, path);
    if (state === undefined) return;
    const isNews = state.isPopulated !== last?.isPopulated || state.oomKills !== last.oomKills;
    last = state;
    if (isNews) yield state;
  }
}

/** Rings at each event. The kernel counts a change of these files as their modification. */
function listen(sources: DisposableStack, directory: string, bell: Bell): void {
  const add = (place: string, listener: (event: string, name: string | null) => void) => {
    const watcher = watchWhereFound(place, listener);
    if (watcher === undefined) return;
    watcher.on('error', bell.fail);
    sources.defer(() => watcher.close());
  };
  add(join(directory, 'cgroup.events'), bell.ring);
  add(join(directory, 'memory.events'), bell.ring);
  // A cgroup does not tell of its own removal; the directory that it is in does.
  add(dirname(directory), (event, name) => {
    if (event === 'rename' && name === basename(directory)) bell.ring();
  });
}

/** Undefined when the file, or directory, is gone. */
function watchWhereFound(
  place: string,
  listener: (event: string, name: string | null) => void,
): FSWatcher | undefined {
  try {
    return watch(place, listener);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Undefined when the cgroup is gone. */
async function readState(mounts: CgroupMounts, path: string): Promise<CgroupState | undefined> {
  if (!directoriesOf(mounts, path).some((directory) => existsSync(directory))) return undefined;
  return { isPopulated: await isPopulated(mounts, path), oomKills: await oomKillsIn(mounts, path) };
}

async function isPopulated(mounts: CgroupMounts, path: string): Promise<boolean> {
  if (mounts.unified === undefined || mounts.legacy.size > 0) {
    return (await processesIn(mounts, path)).length > 0;
  }
  const events = await plainReader.read(join(mounts.unified, path, 'cgroup.events'));
  return toFlat(events).get('populated') === 1;
}
