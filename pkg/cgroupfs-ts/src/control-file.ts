import { constants, existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { CgroupError, codeOf, hasCode, isGone } from './error.ts';

/** Something to write to a control file of a cgroup, by its name. */
export type Write = { readonly file: string; readonly value: string };

/** A cgroup in one hierarchy, and what is being done to it, for errors. */
export type Place = { readonly act: string; readonly path: string; readonly directory: string };

/** Writes a control file, or throws a CgroupError that says what the kernel's refusal may mean. */
export async function writeControl(place: Place, write: Write): Promise<void> {
  try {
    await put(`${place.directory}/${write.file}`, write.value);
  } catch (cause) {
    const code = codeOf(cause);
    const isThere = existsSync(place.directory);
    const reason = isThere ? (reasons[code] ?? `the kernel says ${code}`) : 'it is gone';
    throw new CgroupError(place.act, place.path, { ...write, reason, cause });
  }
}

/** Writes a control file. Returns false when the cgroup is gone, or its kernel has no such control. */
export async function writeWhereKnown(file: string, value: string): Promise<boolean> {
  try {
    await put(file, value);
    return true;
  } catch (error) {
    // ENOTSUP: a threaded cgroup is killed, and frozen, with its domain only.
    if (isGone(error) || hasCode(error, 'ENOTSUP')) return false;
    throw error;
  }
}

/** As a shell's `>`, but without O_CREAT: so a missing file is ENOENT, and not EPERM. */
function put(file: string, value: string): Promise<void> {
  return writeFile(file, value, { flag: constants.O_WRONLY | constants.O_TRUNC });
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'not permitted, or more than the parent has',
  EBUSY: 'more than that is in use',
  EINVAL: 'the kernel does not take this value here',
  ENODEV: 'there is no such device',
  ENOENT: 'there is no such file: in v2, see cgroup.subtree_control of the parent',
  ESRCH: 'there is no such process',
};
