import { readFileSync } from 'node:fs';
import { isErrno } from '#errors/fault.ts';

/**
 * The text of a file. For those of the kernel, which comes in pieces of any length, and has no size:
 * Node 26.10 writes past the end of its memory in `readFileSync(path, 'utf8')` when more than 64 KiB
 * have come in shorter pieces before the first one of 8 KiB, as from /proc/self/mountinfo where one
 * mount has a long line.
 */
export function readText(path: string): string {
  return readFileSync(path).toString();
}

/** The text of a file, or undefined when there is none, or the process that /proc told of has gone. */
export function readIfThere(path: string): string | undefined {
  try {
    return readText(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}
