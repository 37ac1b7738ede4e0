import type { Mount } from '#linux/mount.ts';

export type Usage = { readonly usedBytes: number; readonly inodes: number };

/** A layer together with all below it, named by its chain id (image-spec/config.md). */
export type Snapshot = {
  readonly chainId: string;
  /** The chain id of what is below; absent for the lowest. */
  readonly parent: string | undefined;
  readonly usage: Usage;
};

/**
 * Keeps unpacked layers, and stacks them up for containers. Which ones are needed, others know.
 * Layers are unpacked in any order, and committed from the lowest up.
 */
export type Snapshotter = {
  has(chainId: string): boolean;
  /** Makes an empty directory, root's, 0755, to unpack a layer into. */
  begin(): Promise<string>;
  /** Makes the directory the snapshot's, whose parent must be there. */
  commit(directory: string, snapshot: Snapshot): void;
  /** Throws away a directory that will not be committed. */
  abandon(directory: string): void;
  /** The directories of a snapshot and those below it, the nearest first. */
  directoriesOf(chainId: string): readonly string[];
  /** Removes all other snapshots. */
  keepOnly(needed: ReadonlySet<string>): void;
  usage(): Usage;
  /** Has all committed snapshots on the disk when it resolves, to be trusted after a power cut. */
  persist(signal: AbortSignal): Promise<void>;
  /**
   * Gives a container a writable layer, with the attributes that the image's root directory has.
   * Returns what to mount as its root. Idempotent; after a restart of the machine the layer is
   * empty again.
   */
  prepare(containerId: string, top: string | undefined): Promise<Mount>;
  /** Removes the container's writable layer, which must be mounted no more. Idempotent. */
  release(containerId: string): void;
  /** Removes the writable layers of all other containers. */
  keepOnlyContainers(needed: ReadonlySet<string>): void;
};
