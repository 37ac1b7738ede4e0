import { readFileSync } from 'node:fs';
import { isErrno } from '#errors/fault.ts';

/** The text of a file, or undefined when there is none, or the process that /proc told of has gone. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}
