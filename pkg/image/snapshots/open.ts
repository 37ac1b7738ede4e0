import { btrfsCloner } from './btrfs.ts';
import type { Backend, SnapshotKind } from './backend.ts';
import { cloningBackend } from './cloning.ts';
import { nativeCloner } from './native.ts';
import { overlayBackend } from './overlay.ts';
import { RecordedSnapshotter, type SnapshotterOptions } from './recorded-snapshotter.ts';
import type { Snapshotter } from './snapshotter.ts';

const backends: Record<SnapshotKind, (options: SnapshotterOptions) => Backend> = {
  overlay: overlayBackend,
  native: ({ threads, trash }) =>
    cloningBackend('native', nativeCloner(threads), { threads, trash }),
  btrfs: ({ root, threads, trash }) =>
    cloningBackend('btrfs', btrfsCloner(root, threads), { threads, trash }),
};

/**
 * Opens the snapshots in `root`, which must be there. Throws `failed-precondition` when this kind
 * does not work there, or another kind was used before.
 */
export function openSnapshotter(kind: SnapshotKind, options: SnapshotterOptions): Snapshotter {
  return new RecordedSnapshotter(options, backends[kind](options));
}
