import { join } from 'node:path';
import { writeWhereKnown } from './control-file.ts';
import { CgroupError } from './error.ts';
import { toFlat } from './format.ts';
import type { CgroupMounts } from './mounts.ts';
import { plainReader } from './reader.ts';
import { retry } from './retry.ts';
import { controllerDirectory, processesIn } from './tree.ts';

/** What makes the processes of a cgroup stand still, and go on. */
export type Freezer = {
  readonly directory: string;
  readonly file: string;
  readonly on: string;
  readonly off: string;
};

/** Undefined when no hierarchy has one. */
export function freezerOf(mounts: CgroupMounts, path: string): Freezer | undefined {
  const place = controllerDirectory(mounts, 'freezer', path);
  if (place === undefined) return undefined;
  const { version, directory } = place;
  return version === 1
    ? { directory, file: 'freezer.state', on: 'FROZEN', off: 'THAWED' }
    : { directory, file: 'cgroup.freeze', on: '1', off: '0' };
}

/** Whether all of the cgroup's processes stand still. */
export async function isFrozen(mounts: CgroupMounts, path: string): Promise<boolean> {
  const freezer = controllerDirectory(mounts, 'freezer', path);
  if (freezer === undefined) return false;
  const { version, directory } = freezer;
  if (version === 1) {
    return (await plainReader.read(join(directory, 'freezer.state')))?.trim() === 'FROZEN';
  }
  return toFlat(await plainReader.read(join(directory, 'cgroup.events'))).get('frozen') === 1;
}

/**
 * Freezes the cgroup and those below, and waits until all stand still. When `timeoutMs` are over, lets
 * them go on, and throws a CgroupError. A process in uninterruptible sleep is not frozen in v1.
 */
export async function freeze(mounts: CgroupMounts, path: string, timeoutMs: number): Promise<void> {
  const freezer = checkedFreezer(mounts, path, 'freeze');
  if ((await processesIn(mounts, path)).includes(process.pid)) {
    throw new CgroupError('freeze', path, { reason: 'this process is in it' });
  }
  const isDone = await retry(timeoutMs, async () => {
    // Again each time: v1 tries at a write only, and may miss processes that are just being made.
    const isThere = await turn(freezer, freezer.on);
    return !isThere || isFrozen(mounts, path);
  });
  if (isDone) return;
  await turn(freezer, freezer.off);
  throw new CgroupError('freeze', path, { reason: `not all stand still after ${timeoutMs} ms` });
}

/** Lets the processes go on. When an ancestor is frozen, they cannot: throws a CgroupError. */
export async function thaw(mounts: CgroupMounts, path: string, timeoutMs: number): Promise<void> {
  const freezer = checkedFreezer(mounts, path, 'thaw');
  await turn(freezer, freezer.off);
  const isDone = await retry(timeoutMs, async () => !(await isFrozen(mounts, path)));
  if (isDone) return;
  throw new CgroupError('thaw', path, { reason: 'an ancestor is frozen' });
}

/** Writes `on` or `off`. Returns false when the cgroup is gone. */
export function turn({ directory, file }: Freezer, state: string): Promise<boolean> {
  return writeWhereKnown(join(directory, file), state);
}

function checkedFreezer(mounts: CgroupMounts, path: string, act: string): Freezer {
  const freezer = freezerOf(mounts, path);
  if (freezer !== undefined) return freezer;
  throw new CgroupError(act, path, { reason: 'no hierarchy has a freezer' });
}
