import { join } from 'node:path';
import { writeWhereKnown } from './control-file.ts';
import { CgroupError, hasCode } from './error.ts';
import { type Freezer, freezerOf, turn } from './freezer.ts';
import type { CgroupMounts } from './mounts.ts';
import { plainReader } from './reader.ts';
import { retry } from './retry.ts';
import { leavesFirst, processesIn } from './tree.ts';

/**
 * Kills every process in the cgroup and below, and waits until they are gone. Throws a CgroupError
 * that says which are left, and what they wait in, when `timeoutMs` are over.
 */
export async function killAll(
  mounts: CgroupMounts,
  path: string,
  timeoutMs: number,
): Promise<void> {
  const isEmpty = await retry(timeoutMs, async () => {
    const pids = await processesIn(mounts, path);
    if (pids.length === 0) return true;
    if (pids.includes(process.pid)) {
      throw new CgroupError('kill', path, { reason: 'this process is in it' });
    }
    const isSignalled = await killUnified(mounts, path);
    if (!isSignalled || mounts.mode !== 'unified') await killFrozen(mounts, path);
    return false;
  });
  if (isEmpty) return;
  const left = await Promise.all((await processesIn(mounts, path)).map(explain));
  if (left.length === 0) return;
  throw new CgroupError('kill', path, { reason: `still there: ${left.join(', ')}` });
}

/** One write kills all of a v2 cgroup, since Linux 5.14. Says whether it did. */
async function killUnified({ unified }: CgroupMounts, path: string): Promise<boolean> {
  return unified !== undefined && (await writeWhereKnown(join(unified, path, 'cgroup.kill'), '1'));
}

/** Processes that stand still cannot have children while they are counted. Those killed go when thawed. */
async function killFrozen(mounts: CgroupMounts, path: string): Promise<void> {
  const freezer = freezerOf(mounts, path);
  if (freezer !== undefined) await turn(freezer, freezer.on);
  try {
    for (const pid of await processesIn(mounts, path)) killProcess(pid);
  } finally {
    // Each by itself: somebody may have frozen one below, before.
    if (freezer !== undefined) await thawEach(freezer);
  }
}

async function thawEach(freezer: Freezer): Promise<void> {
  for (const directory of await leavesFirst(freezer.directory)) {
    await turn({ ...freezer, directory }, freezer.off);
  }
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

/** As in `4711 (state D in nfs_wait_bit_killable)`. */
async function explain(pid: number): Promise<string> {
  const stat = (await plainReader.read(`/proc/${pid}/stat`)) ?? '';
  const state = stat.slice(stat.lastIndexOf(')') + 2).charAt(0);
  const place = (await plainReader.read(`/proc/${pid}/wchan`)) ?? '';
  return `${pid} (state ${state || 'unknown'}${['', '0'].includes(place) ? '' : ` in ${place}`})`;
}
