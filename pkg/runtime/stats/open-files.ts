import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { isErrno } from '#errors/fault.ts';
import { readIfThere } from '#linux/read-file.ts';
import type { Turns } from './turns.ts';

/** What processes have open. */
export type OpenFiles = { readonly descriptors: number; readonly sockets: number };

/** A look at one takes a few microseconds. */
const filesAtOnce = 100;

/** Counts what the processes have open; one that ends meanwhile has nothing. */
export async function countOpenFiles(pids: readonly number[], turns: Turns): Promise<OpenFiles> {
  let descriptors = 0;
  let sockets = 0;
  for (const pid of pids) {
    for (const target of firstTargets(pid) ?? allTargets(pid)) {
      descriptors += 1;
      if (target?.startsWith('socket:') === true) sockets += 1;
      if (descriptors % filesAtOnce === 0) await turns.next();
    }
  }
  return { descriptors, sockets };
}

/** Most processes have few files, with the lowest numbers: then these need not be listed, which takes longer. */
const fewFiles = 16;

/** What the descriptors are, unless there are many or their numbers have gaps. */
function firstTargets(pid: number): readonly string[] | undefined {
  // The size is how many there are; 0 before Linux 6.2.
  const count = unlessGone(() => statSync(`/proc/${pid}/fd`).size) ?? 0;
  if (count === 0 || count > fewFiles) return undefined;
  const targets: string[] = [];
  for (let fd = 0; fd < count; fd += 1) {
    const target = targetOf(pid, fd);
    if (target === undefined) return undefined;
    targets.push(target);
  }
  return targets;
}

function* allTargets(pid: number): Generator<string | undefined, void> {
  const descriptors = unlessGone(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
  for (const fd of descriptors) yield targetOf(pid, fd);
}

function targetOf(pid: number, fd: number | string): string | undefined {
  return unlessGone(() => readlinkSync(`/proc/${pid}/fd/${fd}`));
}

/** The soft limit of a process's open files; undefined when it is gone, Infinity without a limit. */
export function maxOpenFiles(pid: number): number | undefined {
  const limits = readIfThere(`/proc/${pid}/limits`) ?? '';
  const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(limits) ?? [];
  if (soft === undefined) return undefined;
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

function unlessGone<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}
