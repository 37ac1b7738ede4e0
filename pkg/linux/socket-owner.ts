import { readdirSync, readlinkSync } from 'node:fs';
import { isErrno } from '#errors/fault.ts';
import { readIfThere } from './read-file.ts';

/** A process, by what an operator calls it. */
export type SocketOwner = { readonly pid: number; readonly name: string };

/**
 * A process that has the socket with this inode open; undefined when none has, as with the kernel's
 * own. Looks at the descriptors of all processes: for explanations, not for every day.
 */
export function ownerOfSocket(inode: number): SocketOwner | undefined {
  const target = `socket:[${inode}]`;
  const pid = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .find((entry) => descriptorsOf(entry).includes(target));
  if (pid === undefined) return undefined;
  return { pid: Number(pid), name: readIfThere(`/proc/${pid}/comm`)?.trim() ?? '' };
}

/** A process that waits on the abstract socket (unix(7)) of this name, in the calling thread's namespace. */
export function ownerOfAbstractSocket(name: string): SocketOwner | undefined {
  const lines = readIfThere('/proc/thread-self/net/unix')?.split('\n') ?? [];
  const line = lines.find((each) => each.endsWith(` @${name}`));
  const [inode] = line?.split(/\s+/).slice(-2) ?? [];
  return inode === undefined ? undefined : ownerOfSocket(Number(inode));
}

function descriptorsOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
  } catch (error) {
    return passOverGone(error);
  }
}

function linkOf(path: string): string[] {
  try {
    return [readlinkSync(path)];
  } catch (error) {
    return passOverGone(error);
  }
}

/** Processes end and descriptors close while we look. */
function passOverGone(error: unknown): [] {
  if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES')) return [];
  throw error;
}
