import { rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Extracted } from '#image/layer/extract.ts';
import type { Trash } from '#image/trash.ts';
import { type Backend, hidesAll, type SnapshotKind } from './backend.ts';
import type { LayerThreads } from './layer-threads.ts';
import type { Usage } from './snapshotter.ts';

/** How trees are cloned: what is written to one of them later does not show in the other. */
export type Cloner = {
  /** Makes an empty directory, root's, 0755. */
  make(directory: string, signal: AbortSignal): Promise<void>;
  /** Makes `target` a clone of the directory `source`. */
  clone(source: string, target: string, signal: AbortSignal): Promise<void>;
  /** What a tree takes that was made of a clone by putting a layer on it. */
  usageOf(directory: string, extracted: Extracted, signal: AbortSignal): Promise<Usage>;
};

/**
 * Snapshots as whole trees, each a clone of the one below on which its own layer was put, and a clone
 * for each container in its `fs`. Layers are unpacked apart, as for overlayfs, so that they need not
 * wait for each other; putting one on a clone moves its files, and gives what overlayfs would show.
 */
export function cloningBackend(
  kind: SnapshotKind,
  cloner: Cloner,
  { threads, trash }: { readonly threads: LayerThreads; readonly trash: Trash },
): Backend {
  return {
    kind,
    whiteouts: 'list',
    written: { name: rootName, isApart: false },
    make: (directory, signal) => cloner.make(directory, signal),
    stack: async (directory, { extracted, lowers: [below] }, signal) => {
      const { implicitDirectories: paths, hidden, usedBytes, inodes } = extracted;
      if (below === undefined) return { usedBytes, inodes };
      await threads.call('inherit', { directory, paths, lowers: [below] }, signal);
      if (hidesAll(extracted)) return { usedBytes, inodes };
      const target = join(dirname(directory), 'clone');
      await cloner.clone(below, target, signal);
      await threads.call('merge', { source: directory, target, hidden }, signal);
      trash.discard(directory);
      await rename(target, directory);
      return cloner.usageOf(directory, extracted, signal);
    },
    prepare: async (directory, [below], signal) => {
      const target = rootOf(directory);
      if (below === undefined) await cloner.make(target, signal);
      else await cloner.clone(below, target, signal);
    },
    mountOf: async (directory) => ({
      type: 'none',
      source: rootOf(directory),
      options: ['bind'],
    }),
  };
}

/** Of a container's root filesystem in its directory. */
const rootName = 'fs';

function rootOf(directory: string): string {
  return join(directory, rootName);
}
