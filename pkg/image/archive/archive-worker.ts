import { closeSync, fstatSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { blobPath } from '#image/content-paths.ts';
import { DownloadProgress } from '#image/download-progress.ts';
import { renameDurably } from '#image/durable-file.ts';
import { ByteReader, growingFile } from '#image/layer/bytes.ts';
import { decompress } from '#image/layer/decompress.ts';
import type { Reference } from '#image/reference.ts';
import { stageFault } from '#image/stage-fault.ts';
import { type Caller, serve } from '#image/worker/serve.ts';
import { ArchiveFiles } from './archive-files.ts';
import { type ArchivedImage, imagesOf } from './archived-images.ts';

/** A thread that takes archives of images to pieces. */

export type ReadRequest = {
  /** The archive: tar, plain or compressed with gzip or zstd. */
  readonly path: string;
  /** An empty directory of the content store's filesystem, which belongs to the caller. */
  readonly directory: string;
  /** The content store's. */
  readonly store: string;
  /** What to call the image, whatever the archive says. */
  readonly name: Reference | undefined;
};

const bufferBytes = 256 * 1024;

const calls = {
  /** Puts the blobs of an archive's images, verified, into the store. */
  read: async (request: ReadRequest, caller: Caller): Promise<readonly ArchivedImage[]> => {
    try {
      const files = unpack(request, caller.isGone);
      const images = await imagesOf(files, request.name, caller.signal);
      await commit(files, images, request.store);
      return images;
    } catch (cause) {
      throw stageFault('read the archive', cause);
    }
  },
};
export type ArchiveCalls = typeof calls;

function unpack({ path, directory }: ReadRequest, isGone: () => boolean): ArchiveFiles {
  using opened = new DisposableStack();
  const fd = opened.adopt(openSync(path, 'r'), closeSync);
  const progress = new DownloadProgress();
  progress.advanceTo(fstatSync(fd).size);
  progress.complete();
  // Pooled buffers would share their memory with others.
  const [packed, plain] = [
    Buffer.allocUnsafeSlow(bufferBytes),
    Buffer.allocUnsafeSlow(bufferBytes),
  ];
  const archive = opened.use(decompress(growingFile({ fd, progress }, packed, isGone), plain));
  const reader = new ByteReader(archive.next);
  const files = new ArchiveFiles(directory);
  files.unpack(reader);
  // The checksum of a compressed archive comes after all of it.
  while (reader.take(bufferBytes).length > 0);
  return files;
}

/** Of an image for several platforms, the blobs of the others are left behind. */
async function commit(
  files: ArchiveFiles,
  images: readonly ArchivedImage[],
  store: string,
): Promise<void> {
  const blobs = images.flatMap(({ plan }) => [
    ...plan.documents,
    ...plan.layers.map(({ blob }) => blob),
  ]);
  // All of them, before the first.
  const wanted = new Map(blobs.map((blob) => [blob.digest, files.blob(blob)]));
  for (const [digest, { path }] of wanted) {
    await using file = await open(path);
    await renameDurably(file, path, blobPath(store, digest));
  }
}

// On Linux, of this thread alone.
setPriority(10);
serve(calls);
