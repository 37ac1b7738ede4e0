import { readFile, writeFile } from 'node:fs/promises';
import { hasCode, isGone } from './error.ts';

/** The text of a kernel's file; empty when what it tells about is gone. */
export async function readOrNothing(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isGone(error)) return '';
    throw error;
  }
}

/** Writes a control file. Returns false when the cgroup is gone, or its kernel has no such control. */
export async function writeWhereKnown(file: string, value: string): Promise<boolean> {
  try {
    await writeFile(file, value, { flag: 'r+' });
    return true;
  } catch (error) {
    // EOPNOTSUPP: a threaded cgroup is killed, and frozen, with its domain only.
    if (isGone(error) || hasCode(error, 'EOPNOTSUPP')) return false;
    throw error;
  }
}
