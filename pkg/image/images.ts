import { randomUUID } from 'node:crypto';
import type { Writable } from 'node:stream';
import type { Mount } from '#linux/mount.ts';
import { Fault } from '#errors/fault.ts';
import { type Export, exportArchive } from './archive/export-archive.ts';
import { type Archive, importArchive } from './archive/import-archive.ts';
import type { Image } from './image.ts';
import { prepareRootfs, releaseRootfs } from './container-rootfs.ts';
import { Joined } from './joined.ts';
import { snapshottersOf } from './other-snapshotters.ts';
import { closeParts, type ImageParts, type ImagesOptions, openParts } from './parts.ts';
import { pinnedBy } from './pinned.ts';
import { pullImage } from './pull.ts';
import type { PullProgress } from './pull-progress.ts';
import type { PullCount } from './pull-progress-board.ts';
import { formatReference, parseReference, parseTag } from './reference.ts';
import type { Credentials } from './registry/credentials.ts';
import type { SnapshotKind } from './snapshots/backend.ts';
import { stageCode, stageFault } from './stage-fault.ts';
import type { Activity, RootfsUsage } from './usage/rootfs-usage.ts';

export { archiveFormats } from './archive/export-formats.ts';
export type { Image } from './image.ts';
export type { ImageConfig } from './image-config.ts';
export type { ImagesOptions } from './parts.ts';
export type { LayerProgress, PullProgress } from './pull-progress.ts';
export type { Credentials } from './registry/credentials.ts';
export type { RootfsUsage } from './usage/rootfs-usage.ts';

/** The images of this node, and the root filesystems that containers make of them. */
export type Images = {
  /**
   * Brings an image from its registry, which is asked in any case, or joins a pull of the same
   * reference with the same credentials. A pull is aborted when all who wait for it have gone; then,
   * as after any failure, no image is to be seen. An unreachable registry is `unavailable`, with a
   * message that begins with `RegistryUnavailable: `, which kubelet knows.
   */
  pull(
    reference: string,
    options: { readonly credentials?: Credentials },
    signal: AbortSignal,
  ): Promise<Image>;
  /** The pulls and imports that run, and those that ended within the last minute. */
  pulls(): readonly PullProgress[];
  /** Of all pulls and imports since the start. */
  pullTotals(): { readonly downloadedBytes: number; readonly ended: readonly PullCount[] };
  /** Sorted by name. Made anew only when something changes. */
  list(): readonly Image[];
  /** By tag, by digest, by name without tag, by id or the unambiguous beginning of one. */
  find(reference: string): Image | undefined;
  /** As `find`; throws `not-found` where there is none. */
  get(reference: string): Image;
  /** Whether the node is configured to keep it. */
  isPinned(image: Image): boolean;
  /** Gives an image one more tag, which it takes from another that had it. */
  tag(reference: string, tag: string): Promise<Image>;
  /**
   * Enters the images of an archive, plain or compressed: of an OCI image layout or as Docker saves
   * them; all of them, or none. `name` is for an archive of one image, instead of its own.
   */
  import(
    bytes: AsyncIterable<Uint8Array>,
    options: { readonly name?: string | undefined },
    signal: AbortSignal,
  ): Promise<readonly Image[]>;
  /**
   * Writes an archive of images into `destination`. When they cannot be had, nothing is written and
   * it is left open.
   */
  export(wanted: Export, destination: Writable, signal: AbortSignal): Promise<void>;
  /** Removes an image with all of its names; what containers use of it stays until they go. */
  remove(reference: string): Promise<void>;
  usage(): Promise<{
    readonly mountpoint: string;
    readonly usedBytes: number;
    readonly inodesUsed: number;
  }>;
  /**
   * What to mount as a container's root; also keeps the image's layers. Idempotent. For a snapshotter
   * that is not the node's usual one the image is unpacked first, if it is not yet.
   */
  prepareRootfs(containerId: string, imageId: string, kind?: SnapshotKind): Promise<Mount>;
  /** Gives up what prepareRootfs made, which must be mounted no more. Idempotent. */
  releaseRootfs(containerId: string): Promise<void>;
  /** Where images and what containers write are. */
  readonly root: string;
  /**
   * What a container has written, as last measured. What is asked for is measured again from time to
   * time, unless its `activity` is what it was.
   */
  rootfsUsage(containerId: string, activity?: Activity): RootfsUsage | undefined;
  /** The containers that have a root filesystem. */
  rootfsOwners(): readonly string[];
  close(): Promise<void>;
};

/**
 * Opens the images in `root`, making what is missing. What an interrupted daemon left behind is out
 * of sight when this returns, and deleted in the background.
 */
export async function openImages(options: ImagesOptions): Promise<Images> {
  const parts = openParts(options);
  const { table, rootfs, snapshots, others, content, garbage } = parts;
  const pulls = new Joined<string, Image>();
  const imports = new Joined<string, readonly Image[]>();
  await writeIndex(parts);
  return {
    pull: async (text, { credentials }, signal) => {
      const reference = parseReference(text);
      const access = { reference, credentials, ...registryOptions(parts.options) };
      const key = JSON.stringify([formatReference(reference), credentials]);
      try {
        return await pulls.run(key, (wanted) => pull(parts, access, wanted), signal);
      } catch (cause) {
        throw pullFault(text, cause);
      }
    },
    pulls: () => parts.progress.list(),
    pullTotals: () => pullTotals(parts),
    list: () => table.list(),
    find: (reference) => table.find(reference),
    get: (reference) => table.get(reference),
    isPinned: pinnedBy(parts.options.pinned),
    tag: async (reference, name) => {
      const image = table.tag(reference, parseTag(name));
      await writeIndex(parts);
      return image;
    },
    import: async (bytes, { name }, signal) => {
      const archive = { bytes, name: name === undefined ? undefined : parseTag(name) };
      return imports.run(randomUUID(), (wanted) => take(parts, archive, wanted), signal);
    },
    export: (wanted, destination, signal) =>
      exportArchive(parts, { ...wanted, destination }, signal),
    remove: async (reference) => {
      const image = table.find(reference);
      if (image === undefined) return;
      table.delete(image.id);
      garbage.collect();
      await writeIndex(parts);
    },
    usage: async () => {
      const stores = [content, snapshots, ...snapshottersOf(others)].map((each) => each.usage());
      return {
        mountpoint: parts.options.root,
        usedBytes: stores.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
        inodesUsed: stores.reduce((sum, { inodes }) => sum + inodes, 0),
      };
    },
    prepareRootfs: (containerId, imageId, kind) =>
      prepareRootfs(parts, containerId, { imageId, kind }),
    releaseRootfs: async (containerId) => releaseRootfs(parts, containerId),
    rootfsUsage: (containerId, activity) => parts.usages.of(containerId, activity),
    root: parts.options.root,
    rootfsOwners: () => rootfs.owners(),
    close: async () => {
      await Promise.all([pulls.close(), imports.close(), closeParts(parts)]);
    },
  };
}

function pullTotals({ downloads, progress }: ImageParts) {
  return { downloadedBytes: downloads.downloadedBytes, ended: progress.counts() };
}

function registryOptions(options: ImageParts['options']) {
  const { certsDirs, authFiles, proxyEnvironment } = options;
  const { registryIdleMs: idleTimeoutMs, registryPatience: patience } = options;
  return { certsDirs, authFiles, proxyEnvironment, idleTimeoutMs, patience };
}

async function pull(
  parts: ImageParts,
  access: Parameters<typeof pullImage>[1],
  signal: AbortSignal,
): Promise<Image> {
  const subject = { kind: 'pull', reference: formatReference(access.reference) } as const;
  const image = await parts.progress.watch(subject, (planned) =>
    pullImage({ ...parts, planned }, access, signal),
  );
  await entered(parts);
  return image;
}

async function take(
  parts: ImageParts,
  archive: Archive,
  signal: AbortSignal,
): Promise<readonly Image[]> {
  try {
    const images = await importArchive(parts, archive, signal);
    await entered(parts);
    return images;
  } catch (cause) {
    throw stageFault('import images', cause);
  }
}

/** To be done when new images are in the table. */
async function entered(parts: ImageParts): Promise<void> {
  await writeIndex(parts);
  parts.persister.soon();
}

/** The index is for others; the images are in the database. */
async function writeIndex({ table, content, options }: ImageParts): Promise<void> {
  try {
    await content.writeIndex(table.targets());
  } catch (error) {
    options.log.warn({ error }, 'write the index of images');
  }
}

function pullFault(reference: string, cause: unknown): Fault {
  const code = stageCode(cause);
  // kubelet shows its own reason for messages that begin so.
  const prefix = code === 'unavailable' ? 'RegistryUnavailable: ' : '';
  return new Fault(code, `${prefix}pull image "${reference}"`, { cause });
}
