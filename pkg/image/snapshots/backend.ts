import type { Extracted } from '#image/layer/extract.ts';
import type { WhiteoutFormat } from '#image/layer/whiteouts.ts';
import type { Mount } from '#linux/mount.ts';
import type { UnpackedLayer, Usage } from './snapshotter.ts';

/** The kinds of snapshotters, by their names in the configuration. */
export const snapshotKinds = ['overlay', 'native', 'btrfs'] as const;
export type SnapshotKind = (typeof snapshotKinds)[number];

/**
 * What the kinds of snapshotters do differently; RecordedSnapshotter does the rest. `lowers` are
 * directories of snapshots, the nearest first.
 */
export type Backend = {
  readonly kind: SnapshotKind;
  readonly whiteouts: WhiteoutFormat;
  /** Makes an empty directory, root's, 0755, in one that is there. */
  make(directory: string, signal: AbortSignal): Promise<void>;
  /** Makes what a layer was unpacked into its snapshot's directory; returns what it takes. */
  stack(directory: string, on: Stacked, signal: AbortSignal): Promise<Usage>;
  /** Fills a container's empty directory. */
  prepare(directory: string, lowers: readonly string[], signal: AbortSignal): Promise<void>;
  /** What of a container's directory holds what it writes: that alone, or among what it got. */
  readonly written: { readonly name: string; readonly isApart: boolean };
  /** What to mount as the root of the container whose directory was prepared. */
  mountOf(directory: string, lowers: readonly string[]): Promise<Mount>;
};

export type Stacked = Pick<UnpackedLayer, 'extracted'> & { readonly lowers: readonly string[] };

/** Whether a layer hides all that is below it, so that its snapshot has no use for that. */
export function hidesAll({ hidden }: Extracted): boolean {
  return hidden.includes('');
}
