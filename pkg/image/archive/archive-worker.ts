import { closeSync, fstatSync, openSync } from 'node:fs';
import { setPriority } from 'node:os';
import { DownloadProgress } from '#image/download-progress.ts';
import { ByteReader, growingFile } from '#image/layer/bytes.ts';
import { decompress } from '#image/layer/decompress.ts';
import type { Reference } from '#image/reference.ts';
import { stageFault } from '#image/stage-fault.ts';
import { type Caller, serve } from '#image/worker/serve.ts';
import { type ArchivedFile, ArchiveFiles } from './archive-files.ts';
import { type ArchivedImage, imagesOf } from './archived-images.ts';

/** A thread that takes archives of images to pieces. */

export type ReadRequest = {
  /** The archive: tar, plain or compressed with gzip or zstd. */
  readonly path: string;
  /** An empty directory, which belongs to the caller with all that is unpacked into it. */
  readonly directory: string;
  /** What to call the image, whatever the archive says. */
  readonly name: Reference | undefined;
};

export type ArchiveContent = {
  readonly images: readonly ArchivedImage[];
  /** All that these images need, each once. */
  readonly blobs: readonly ArchivedFile[];
};

const bufferBytes = 256 * 1024;

const calls = {
  /** Finds out which images are in an archive, and has their blobs in files, verified. */
  read: async (request: ReadRequest, caller: Caller): Promise<ArchiveContent> => {
    try {
      const files = unpack(request, caller.isGone);
      const images = await imagesOf(files, request.name, caller.signal);
      return { images, blobs: blobsOf(files, images) };
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
function blobsOf(files: ArchiveFiles, images: readonly ArchivedImage[]): readonly ArchivedFile[] {
  const blobs = images.flatMap(({ plan }) => [
    ...plan.documents,
    ...plan.layers.map(({ blob }) => blob),
  ]);
  return [...new Map(blobs.map((blob) => [blob.digest, files.blob(blob)])).values()];
}

// On Linux, of this thread alone.
setPriority(10);
serve(calls);
