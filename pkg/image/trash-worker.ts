import { readdirSync, rmSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { serve } from './worker/serve.ts';

/** The thread that deletes what the Trash holds. */

const calls = {
  empty: (directory: string): void => {
    for (const name of readdirSync(directory)) {
      rmSync(join(directory, name), { recursive: true, force: true });
    }
  },
};
export type TrashCalls = typeof calls;

// On Linux, of this thread alone.
setPriority(10);
serve(calls);
