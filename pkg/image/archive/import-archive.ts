import { createWriteStream } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { blobPath, newIngestPath } from '#image/content-paths.ts';
import type { ContentStore } from '#image/content-store.ts';
import { renameDurably } from '#store/durable-file.ts';
import type { Garbage } from '#image/garbage.ts';
import type { Image } from '#image/image.ts';
import type { ImageTable } from '#image/image-table.ts';
import type { Layers } from '#image/layers.ts';
import { bringLayers, keepImage, type KnownImage } from '#image/pull.ts';
import type { PullProgressBoard } from '#image/pull-progress-board.ts';
import { formatReference, type Reference } from '#image/reference.ts';
import { stageFault } from '#image/stage-fault.ts';
import type { WorkerPool } from '#image/worker/worker-pool.ts';
import type { ArchivedFile } from './archive-files.ts';
import type { ArchiveCalls, ReadRequest } from './archive-worker.ts';

export type ImportDeps = {
  readonly archivers: WorkerPool<ArchiveCalls>;
  readonly layers: Layers;
  readonly content: ContentStore;
  readonly garbage: Garbage;
  readonly table: ImageTable;
  readonly progress: PullProgressBoard;
};

export type Archive = {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** What to call its image, whatever it says itself. */
  readonly name: Reference | undefined;
};

type NamedImage = KnownImage & { readonly reference: Reference };

/** Enters the images of an archive, all of them; or fails, with nothing to be seen. */
export async function importArchive(
  deps: ImportDeps,
  archive: Archive,
  signal: AbortSignal,
): Promise<readonly Image[]> {
  const images = await takeIn(deps, archive, signal);
  try {
    for (const image of images) await unpack(deps, image, signal);
    return images.map((image) => deps.table.put(image));
  } finally {
    for (const { lease } of images) deps.garbage.giveBack(lease);
  }
}

/** Has the blobs in the store when it resolves, and of the archive nothing else. */
async function takeIn(
  deps: ImportDeps,
  { bytes, name }: Archive,
  signal: AbortSignal,
): Promise<readonly NamedImage[]> {
  const folder = newIngestPath(deps.content.directory);
  const directory = join(folder, 'files');
  const path = join(folder, 'archive');
  await mkdir(directory, { recursive: true });
  try {
    await receive(bytes, path, signal);
    return await read(deps, { path, directory, name }, signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function receive(bytes: Archive['bytes'], path: string, signal: AbortSignal): Promise<void> {
  try {
    await pipeline(bytes, createWriteStream(path, { flags: 'wx', mode: 0o600 }), { signal });
  } catch (cause) {
    throw stageFault('receive the archive', cause);
  }
}

async function read(
  deps: ImportDeps,
  request: ReadRequest,
  signal: AbortSignal,
): Promise<readonly NamedImage[]> {
  using _pause = deps.garbage.pause();
  const { images, blobs } = await deps.archivers.call('read', request, signal);
  for (const blob of blobs) {
    signal.throwIfAborted();
    await store(deps.content, blob);
  }
  return images.map(({ reference, plan }) => ({ reference, ...keepImage(deps, plan) }));
}

/** The store knows of each blob at once, so that none is left behind when the next one fails. */
async function store(content: ContentStore, { path, digest, size }: ArchivedFile): Promise<void> {
  await using file = await open(path);
  await renameDurably(file, path, blobPath(content.directory, digest));
  content.add([{ digest, size }]);
}

async function unpack(deps: ImportDeps, image: NamedImage, signal: AbortSignal): Promise<void> {
  const subject = { kind: 'import', reference: formatReference(image.reference) } as const;
  await deps.progress.watch(subject, async (planned) => {
    await bringLayers({ ...deps, planned }, { ...image, access: undefined }, signal);
    return { id: image.plan.imageId };
  });
}
