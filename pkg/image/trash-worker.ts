import { readdirSync, rmSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { serve } from './worker/serve.ts';

/** The thread that deletes what the Trash holds. */

const calls = {
  empty: (directory: string): void => {
    const failures: unknown[] = [];
    for (const name of readdirSync(directory)) {
      try {
        rmSync(join(directory, name), { recursive: true, force: true });
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  },
};
export type TrashCalls = typeof calls;

// On Linux, of this thread alone.
setPriority(10);
serve(calls);
