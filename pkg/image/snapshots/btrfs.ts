import { chmod } from 'node:fs/promises';
import { Fault } from '#errors/fault.ts';
import { isOnBtrfs } from '#linux/btrfs.ts';
import type { Cloner } from './cloning.ts';
import type { LayerThreads } from './layer-threads.ts';

/**
 * Clones subvolumes, which share everything until it is written to. So a snapshot takes what its
 * layer does, which is known without quotas. Throws when `root` is not on a btrfs.
 */
export function btrfsCloner(root: string, threads: LayerThreads): Cloner {
  if (!isOnBtrfs(root)) {
    throw new Fault(
      'failed-precondition',
      `image.snapshotter is "btrfs", but "${root}" is on another filesystem; use a root on a btrfs, or set it to "overlay"`,
    );
  }
  return {
    make: async (directory, signal) => {
      await threads.call('makeSubvolume', directory, signal);
      await chmod(directory, 0o755);
    },
    clone: (source, target, signal) => threads.call('cloneSubvolume', { source, target }, signal),
    usageOf: async (_, { usedBytes, inodes }) => ({ usedBytes, inodes }),
  };
}
