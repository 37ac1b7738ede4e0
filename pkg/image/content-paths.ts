import { randomUUID } from 'node:crypto';
import { join } from 'node:path';

/** Where things lie in a content store, an OCI image layout (image-spec/image-layout.md). */

export function blobDirectory(store: string): string {
  return join(store, 'blobs', 'sha256');
}

export function blobPath(store: string, digest: string): string {
  return join(blobDirectory(store), digest.replace(/^sha256:/, ''));
}

/** What is being written; nothing in it means anything after a restart. */
export function ingestDirectory(store: string): string {
  return join(store, 'ingest');
}

export function newIngestPath(store: string): string {
  return join(ingestDirectory(store), randomUUID());
}
