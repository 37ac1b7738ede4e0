import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import type { Descriptor } from '#api/oci/image.ts';
import { faultCode, isErrno } from '#errors/fault.ts';
import { blobPath, newIngestPath } from '#image/content-paths.ts';
import { digestMismatch, digestOf, isDigest } from '#image/digest.ts';
import { documentMediaType, maxDocumentBytes } from '#image/documents.ts';
import { writeDurably } from '#store/durable-file.ts';
import { mediaTypes } from '#image/media-types.ts';
import type { Reference } from '#image/reference.ts';
import { stageFault } from '#image/stage-fault.ts';
import type { Registry } from './registry.ts';
import { readBody } from './request.ts';

export type StoredDocument = { readonly descriptor: Descriptor; readonly bytes: Uint8Array };

const accept = Object.values(mediaTypes).join(', ');

/** The documents of one image: from the content store, or fetched from the registry into it. */
export class Documents {
  readonly #registry: Registry;
  readonly #reference: Reference;
  readonly #store: string;

  /** `store` is the content store's directory. */
  constructor(registry: Registry, reference: Reference, store: string) {
    this.#registry = registry;
    this.#reference = reference;
    this.#store = store;
  }

  /** What the reference names. The registry is asked in any case, so that it can refuse. */
  async target(signal: AbortSignal): Promise<StoredDocument> {
    const name = this.#reference.digest ?? this.#reference.tag ?? 'latest';
    const path = `manifests/${name}`;
    try {
      return (await this.#known(path, signal)) ?? (await this.#fetchTarget(path, signal));
    } catch (cause) {
      throw stageFault(`resolve "${name}"`, cause);
    }
  }

  /** A document that another one names. */
  async document(
    descriptor: Descriptor,
    kind: 'manifests' | 'blobs',
    signal: AbortSignal,
  ): Promise<StoredDocument> {
    const { digest } = descriptor;
    const stored = await this.#read(digest);
    if (stored) return { descriptor, bytes: stored };
    try {
      const question = { path: `${kind}/${digest}`, headers: { accept: `${accept}, */*` } };
      const response = await this.#registry.ask({ ...question, capability: 'pull' }, signal);
      const bytes = await readBody(response, maxDocumentBytes);
      await this.#keep(digest, bytes);
      return { descriptor, bytes };
    } catch (cause) {
      throw stageFault(`fetch "${digest}"`, cause);
    }
  }

  /**
   * What the reference names, if the store has it. Asking for the digest only costs nothing where a
   * registry counts pulls. When it refuses, asking in full tells the reason, or succeeds: some know
   * no HEAD.
   */
  async #known(path: string, signal: AbortSignal): Promise<StoredDocument | undefined> {
    const question = { method: 'HEAD', path, headers: { accept }, capability: 'resolve' } as const;
    try {
      const response = await this.#registry.ask(question, signal);
      response.resume();
      const digest = announcedDigest(response) ?? this.#reference.digest;
      const bytes = digest === undefined ? undefined : await this.#read(digest);
      return digest && bytes ? this.#targetFrom(response, digest, bytes) : undefined;
    } catch (error) {
      if (signal.aborted || faultCode(error) === 'unavailable') throw error;
      return undefined;
    }
  }

  async #fetchTarget(path: string, signal: AbortSignal): Promise<StoredDocument> {
    const question = { path, headers: { accept }, capability: 'resolve' } as const;
    const response = await this.#registry.ask(question, signal);
    const bytes = await readBody(response, maxDocumentBytes);
    const digest = announcedDigest(response) ?? digestOf(bytes);
    const target = this.#targetFrom(response, digest, bytes);
    await this.#keep(digest, bytes);
    return target;
  }

  #targetFrom(response: IncomingMessage, digest: string, bytes: Uint8Array): StoredDocument {
    const expected = this.#reference.digest ?? digest;
    if (digest !== expected) throw digestMismatch('manifest', expected, digest);
    return {
      descriptor: { mediaType: mediaTypeOf(response, bytes), digest, size: bytes.length },
      bytes,
    };
  }

  async #read(digest: string): Promise<Uint8Array | undefined> {
    try {
      const bytes = await readFile(blobPath(this.#store, digest));
      return digestOf(bytes) === digest ? bytes : undefined;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  async #keep(digest: string, bytes: Uint8Array): Promise<void> {
    const actual = digestOf(bytes);
    if (actual !== digest) throw digestMismatch('document', digest, actual);
    await writeDurably(blobPath(this.#store, digest), bytes, newIngestPath(this.#store));
  }
}

function announcedDigest(response: IncomingMessage): string | undefined {
  const digest = response.headers['docker-content-digest'];
  return typeof digest === 'string' && isDigest(digest) ? digest : undefined;
}

/** The document's own word comes first: registries have been wrong about it. */
function mediaTypeOf(response: IncomingMessage, bytes: Uint8Array): string {
  const own = documentMediaType(bytes);
  return own ?? response.headers['content-type']?.split(';')[0]?.trim() ?? '';
}
