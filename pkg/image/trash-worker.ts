import { readdirSync, rmSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { isErrno } from '#errors/fault.ts';
import { deleteSubvolume, isSubvolume } from '#linux/btrfs.ts';
import { type Caller, serve } from './worker/serve.ts';

/** The thread that deletes what the Trash holds. */

const calls = {
  /** Empties a directory as far as it can be; throws what stood in the way first. */
  empty: (directory: string, { isGone }: Caller): void => {
    const failures: unknown[] = [];
    for (const path of entriesToDepth(directory, pauseDepth)) {
      if (isGone()) return;
      try {
        remove(path);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  },
};
export type TrashCalls = typeof calls;

/** `<entry>/fs/usr/lib`: pieces small enough to end soon when the daemon does. */
const pauseDepth = 4;

/** What is in a directory, down to a depth; what is inside of a thing comes before it. */
function* entriesToDepth(directory: string, depth: number): Generator<string, void> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory() && depth > 1 && !isSubvolume(path))
      yield* entriesToDepth(path, depth - 1);
    yield path;
  }
}

function remove(path: string): void {
  try {
    if (isSubvolume(path)) return deleteSubvolume(path);
  } catch (error) {
    // A container may have made subvolumes of its own in it: those go one by one.
    if (!isErrno(error, 'ENOTEMPTY', 'EPERM')) throw error;
  }
  rmSync(path, { recursive: true, force: true });
}

// On Linux, of this thread alone.
setPriority(10);
serve(calls);
