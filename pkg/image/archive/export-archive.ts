import { stat } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Descriptor } from '#api/oci/image.ts';
import { Fault, isErrno } from '#errors/fault.ts';
import { blobPath } from '#image/content-paths.ts';
import type { ContentStore } from '#image/content-store.ts';
import type { Garbage } from '#image/garbage.ts';
import type { ImageTable } from '#image/image-table.ts';
import { stageFault } from '#image/stage-fault.ts';
import { type ArchiveFormat, type BlobContent, membersOf } from './export-formats.ts';
import { tarStream } from './tar-stream.ts';

export type ExportDeps = {
  readonly content: ContentStore;
  readonly garbage: Garbage;
  readonly table: ImageTable;
};

export type Export = {
  /** Of the images, by name or id. By tag, the archive has that tag only. */
  readonly references: readonly string[];
  readonly format: ArchiveFormat;
};

/**
 * Writes a tar archive of images into `destination`, and ends it. When the images cannot be had
 * nothing is written to it, and it is left open.
 */
export async function exportArchive(
  deps: ExportDeps,
  { references, format, destination }: Export & { readonly destination: Writable },
  signal: AbortSignal,
): Promise<void> {
  const act = `export ${references.map((each) => `"${each}"`).join(', ')}`;
  const images = references.map((reference) => deps.table.contentOf(reference));
  const blobs = images.flatMap(({ content }) => content.blobs);
  const lease = { digests: blobs.map(({ digest }) => digest), chainIds: [] };
  deps.garbage.lease(lease);
  try {
    const store = deps.content.directory;
    for (const blob of blobs) await checkStored(store, blob);
    const blobContent: BlobContent = ({ digest, size }) => ({
      kind: 'file',
      path: blobPath(store, digest),
      size,
    });
    await pipeline(tarStream(membersOf(format, images, blobContent)), destination, { signal });
  } catch (cause) {
    throw stageFault(act, cause);
  } finally {
    deps.garbage.giveBack(lease);
  }
}

/** The size stands before the content, where it cannot be mended any more. */
async function checkStored(store: string, { digest, size }: Descriptor): Promise<void> {
  const stored = await storedSize(blobPath(store, digest));
  if (stored === size) return;
  throw new Fault('internal', `blob "${digest}" has ${stored} bytes in the store, not ${size}`);
}

async function storedSize(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 0;
    throw error;
  }
}
