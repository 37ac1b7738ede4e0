import { type FileHandle, open, rm, writeFile } from 'node:fs/promises';
import type { Descriptor } from '#api/oci/image.ts';
import { Fault, isErrno } from '#errors/fault.ts';
import { blobPath, newIngestPath } from './content-paths.ts';
import type { ContentStore } from './content-store.ts';
import { DownloadProgress } from './download-progress.ts';
import { Joined } from './joined.ts';
import type { Limit } from './limit.ts';
import type { FetchCalls, RegistryAccess } from './registry/fetch-worker.ts';
import type { WorkerPool } from './worker/worker-pool.ts';

export type BlobSource = {
  /** Undefined for blobs of an archive, which are in the store already. */
  readonly access: RegistryAccess | undefined;
  readonly blob: Descriptor;
  /** How many blobs of one image are fetched at a time. */
  readonly limit: Limit;
};

/** A blob that can be read while it is still arriving. */
export type OpenBlob = AsyncDisposable & {
  readonly fd: number;
  readonly progress: SharedArrayBuffer;
  /** Resolves when all of it is in the store, verified. */
  readonly stored: Promise<void>;
};

type Growing = {
  readonly progress: DownloadProgress;
  readonly path: string;
  /** The file is there. */
  readonly made: Promise<void>;
};

/** Brings blobs into the content store, each once, however many pulls need it. */
export class Downloads {
  readonly #content: ContentStore;
  readonly #fetchers: WorkerPool<FetchCalls>;
  readonly #unwanted: () => void;
  readonly #running = new Joined<string, void>();
  readonly #growing = new Map<string, Growing>();
  #endedBytes = 0;

  /** `unwanted` is called when a blob has arrived after all who asked for it had gone. */
  constructor(content: ContentStore, fetchers: WorkerPool<FetchCalls>, unwanted: () => void) {
    this.#unwanted = unwanted;
    this.#content = content;
    this.#fetchers = fetchers;
  }

  /** Has a blob in the store when it resolves. */
  async fetch(source: BlobSource, signal: AbortSignal): Promise<void> {
    const { digest } = source.blob;
    if (this.#content.has(digest)) return;
    await this.#running.run(digest, (wanted) => this.#download(source, wanted), signal);
  }

  /** Opens a blob of the store, or one that is on its way there. The signal ends the download. */
  async open(source: BlobSource, signal: AbortSignal): Promise<OpenBlob> {
    const { digest, size } = source.blob;
    const stored = this.fetch(source, signal);
    const growing = this.#growing.get(digest);
    if (growing === undefined) {
      await stored;
      const progress = new DownloadProgress();
      progress.advanceTo(size);
      progress.complete();
      return openBlob(await open(this.#pathOf(digest)), { progress, stored });
    }
    // The caller will await it; but first it has to get it.
    stored.catch(() => {});
    return openBlob(await this.#openGrowing(digest, growing), { ...growing, stored });
  }

  /** How much there is of a blob that is on its way; undefined of any other. */
  receivedBytes(digest: string): number | undefined {
    return this.#growing.get(digest)?.progress.bytes;
  }

  /** What was downloaded since the start, also what came to nothing. Only grows. */
  get downloadedBytes(): number {
    const growing = [...this.#growing.values()].map(({ progress }) => progress.bytes);
    return growing.reduce((sum, bytes) => sum + bytes, this.#endedBytes);
  }

  /** Ends all downloads; resolves when nothing is written any more. */
  close(): Promise<void> {
    return this.#running.close();
  }

  #pathOf(digest: string): string {
    return blobPath(this.#content.directory, digest);
  }

  async #openGrowing(digest: string, { path, made }: Growing): Promise<FileHandle> {
    await made;
    try {
      return await open(path);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
      // It was quick, and has its name already.
      return open(this.#pathOf(digest));
    }
  }

  async #download({ access, blob, limit }: BlobSource, signal: AbortSignal): Promise<void> {
    if (access === undefined) {
      throw new Fault('not-found', `blob "${blob.digest}" is gone from the store`);
    }
    const store = this.#content.directory;
    const path = newIngestPath(store);
    const progress = new DownloadProgress();
    const growing = { progress, path, made: writeFile(path, '', { flag: 'wx', mode: 0o644 }) };
    this.#growing.set(blob.digest, growing);
    try {
      await growing.made;
      using _slot = await limit.hold();
      const request = { access, blob, progress: progress.shared, path, store };
      await this.#fetchers.call('download', request, signal);
      this.#content.add([blob]);
      if (signal.aborted) this.#unwanted();
    } finally {
      // Readers learn of it also when the fetching thread has died.
      progress.stop();
      this.#endedBytes += progress.bytes;
      if (this.#growing.get(blob.digest) === growing) this.#growing.delete(blob.digest);
      await rm(path, { force: true });
    }
  }
}

function openBlob(
  file: FileHandle,
  { progress, stored }: { readonly progress: DownloadProgress; readonly stored: Promise<void> },
): OpenBlob {
  const close = () => file.close();
  return { fd: file.fd, progress: progress.shared, stored, [Symbol.asyncDispose]: close };
}
