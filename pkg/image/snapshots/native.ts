import type { Cloner } from './cloning.ts';
import type { LayerThreads } from './layer-threads.ts';
import { makePlainDirectory } from './plain-directory.ts';

/**
 * Clones by copying, on any filesystem. Where it can share the content of files (xfs, btrfs), a copy
 * takes little room; it is counted in full all the same.
 */
export function nativeCloner(threads: LayerThreads): Cloner {
  return {
    make: makePlainDirectory,
    clone: async (source, target, signal) => {
      await makePlainDirectory(target);
      await threads.call('copy', { source, target }, signal);
    },
    usageOf: (directory, _, signal) => threads.call('measure', directory, signal),
  };
}
