import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Descriptor } from '#api/oci/image.ts';
import { blobDirectory, blobPath, ingestDirectory, newIngestPath } from './content-paths.ts';
import { mediaTypes } from './media-types.ts';
import { writeDurably } from '#store/durable-file.ts';
import type { Trash } from './trash.ts';

type Sized = Pick<Descriptor, 'digest' | 'size'>;

/**
 * The blobs of images, as an OCI image layout that skopeo and others can read. A blob gets its name
 * when it is whole, verified and on the disk. Which blobs are needed, others know.
 */
export class ContentStore {
  readonly directory: string;
  readonly #trash: Trash;
  readonly #sizes = new Map<string, number>();
  #writing: Promise<unknown> = Promise.resolve();

  /** Opens the store in `directory`, making it when missing, and clears away interrupted work. */
  constructor(directory: string, trash: Trash) {
    this.directory = directory;
    this.#trash = trash;
    mkdirSync(blobDirectory(directory), { recursive: true, mode: 0o755 });
    const layout = join(directory, 'oci-layout');
    // On a full disk it must still be possible to start, and to remove images.
    if (!existsSync(layout)) writeFileSync(layout, '{"imageLayoutVersion":"1.0.0"}');
    trash.discard(ingestDirectory(directory));
    mkdirSync(ingestDirectory(directory), { mode: 0o700 });
    this.discover();
  }

  /** Takes note of blobs that nobody told of, such as those that a failed pull had brought so far. */
  discover(): void {
    const names = readdirSync(blobDirectory(this.directory));
    const unknown = names.map((name) => `sha256:${name}`).filter((digest) => !this.has(digest));
    this.add(unknown.map((digest) => ({ digest, size: 0 })));
  }

  has(digest: string): boolean {
    return this.#sizes.has(digest);
  }

  /** Takes note of blobs that are in place. */
  add(blobs: Iterable<Sized>): void {
    for (const { digest, size } of blobs) this.#sizes.set(digest, size);
  }

  /** Takes note of how large those of these blobs are that were there from the start. */
  learnSizes(blobs: Iterable<Sized>): void {
    for (const { digest, size } of blobs) if (this.has(digest)) this.#sizes.set(digest, size);
  }

  keepOnly(needed: ReadonlySet<string>): void {
    for (const digest of this.#sizes.keys()) {
      if (needed.has(digest)) continue;
      this.#trash.discard(blobPath(this.directory, digest));
      this.#sizes.delete(digest);
    }
  }

  /** What the blobs take; some of unknown size count nothing. */
  usage(): { readonly usedBytes: number; readonly inodes: number } {
    const sizes = [...this.#sizes.values()];
    return { usedBytes: sizes.reduce((sum, size) => sum + size, 0), inodes: sizes.length };
  }

  /** Lists the images by name in `index.json`, after the writes asked for before. */
  writeIndex(
    images: readonly { readonly name: string; readonly target: Descriptor }[],
  ): Promise<void> {
    const manifests = images.map(({ name, target: { mediaType, digest, size } }) => ({
      mediaType,
      digest,
      size,
      annotations: { 'org.opencontainers.image.ref.name': name },
    }));
    const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests });
    const write = () =>
      writeDurably(join(this.directory, 'index.json'), index, newIngestPath(this.directory));
    const written = this.#writing.then(write);
    this.#writing = Promise.allSettled([written]);
    return written;
  }
}
