import type { Extracted } from '#image/layer/extract.ts';
import type { WhiteoutFormat } from '#image/layer/whiteouts.ts';
import type { MeasureRequest } from '#image/usage/measure.ts';
import type { Mount } from '#linux/mount.ts';

export type Usage = { readonly usedBytes: number; readonly inodes: number };

/** A layer that was unpacked, to be the top of a snapshot: that of its chain id (image-spec/config.md). */
export type UnpackedLayer = {
  readonly chainId: string;
  /** The chain id of what is below; absent for the lowest. */
  readonly parent: string | undefined;
  readonly extracted: Extracted;
};

/**
 * Keeps snapshots, each of them a layer together with all below it, and makes root filesystems of
 * them. Which ones are needed, others know. Layers are unpacked in any order, and committed from the
 * lowest up. What a container sees does not depend on the kind of snapshotter.
 */
export type Snapshotter = {
  /** How layers have to be unpacked. */
  readonly whiteouts: WhiteoutFormat;
  has(chainId: string): boolean;
  /** Makes an empty directory, root's, 0755, to unpack a layer into. */
  begin(signal: AbortSignal): Promise<string>;
  /**
   * Makes a snapshot of the directory and of the parent, which must be there. Directories that the
   * layer did not describe get the attributes that they have below. After a failure the directory is
   * good for nothing but to be abandoned.
   */
  commit(directory: string, layer: UnpackedLayer, signal: AbortSignal): Promise<void>;
  /** Throws away a directory that will not be committed. */
  abandon(directory: string): void;
  /** Removes all other snapshots. */
  keepOnly(needed: ReadonlySet<string>): void;
  /** Of all snapshots; what containers write is not in it. */
  usage(): Usage;
  /** Has all committed snapshots on the disk when it resolves, to be trusted after a power cut. */
  persist(signal: AbortSignal): Promise<void>;
  /**
   * Gives a container a root filesystem of its own, with the attributes that the image's root
   * directory has. Returns what to mount. Idempotent; after a restart of the machine what the
   * container had written is gone.
   */
  prepare(containerId: string, top: string | undefined): Promise<Mount>;
  /** Where to look for what a container has written, once its root filesystem is prepared. */
  writtenBy(containerId: string): MeasureRequest;
  /** Removes the container's root filesystem, which must be mounted no more. Idempotent. */
  release(containerId: string): void;
  /** Removes the root filesystems of all other containers. */
  keepOnlyContainers(needed: ReadonlySet<string>): void;
};
