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

/** A subvolume of a btrfs goes at once, with all that is in it but subvolumes that a container made. */
function remove(path: string): void {
  if (!isSubvolume(path)) return rmSync(path, { recursive: true, force: true });
  try {
    deleteSubvolume(path);
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY')) throw error;
    for (const nested of subvolumesIn(path)) remove(nested);
    deleteSubvolume(path);
  }
}

function* subvolumesIn(directory: string): Generator<string, void> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const path = join(directory, entry.name);
    if (isSubvolume(path)) yield path;
    else yield* subvolumesIn(path);
  }
}

// On Linux, of this thread alone.
setPriority(10);
serve(calls);
