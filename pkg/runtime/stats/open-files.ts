import { readdirSync, readlinkSync } from 'node:fs';
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
    for (const name of listDescriptors(pid)) {
      descriptors += 1;
      if (isSocket(`/proc/${pid}/fd/${name}`)) sockets += 1;
      if (descriptors % filesAtOnce === 0) await turns.next();
    }
  }
  return { descriptors, sockets };
}

/** The soft limit of a process's open files; undefined when it is gone, Infinity without a limit. */
export function maxOpenFiles(pid: number): number | undefined {
  const limits = readIfThere(`/proc/${pid}/limits`) ?? '';
  const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(limits) ?? [];
  if (soft === undefined) return undefined;
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

function listDescriptors(pid: number): readonly string[] {
  return unlessGone(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
}

function isSocket(path: string): boolean {
  return unlessGone(() => readlinkSync(path))?.startsWith('socket:') ?? false;
}

function unlessGone<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}
