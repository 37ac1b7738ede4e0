import { open } from 'node:fs/promises';
import type { Descriptor } from '#api/oci/image.ts';
import { blobPath } from '#image/content-paths.ts';
import { DownloadProgress } from '#image/download-progress.ts';
import { renameDurably } from '#store/durable-file.ts';
import { machineArchitecture } from '#image/platform.ts';
import type { Reference } from '#image/reference.ts';
import { stageFault } from '#image/stage-fault.ts';
import { type Caller, serve } from '#image/worker/serve.ts';
import { readAuthFiles } from './auth-file.ts';
import { bufferCollector } from './collect-buffers.ts';
import type { Credentials } from './credentials.ts';
import { downloadBlob } from './download.ts';
import { endpointsOf } from './hosts.ts';
import { Documents } from './image-documents.ts';
import type { Patience } from './patience.ts';
import { Registry } from './registry.ts';
import { type ImagePlan, resolveImage } from './resolve.ts';

/** The thread that talks to registries, so that no blob passes through the daemon's event loop. */

/** Whom to ask for an image, and how. */
export type RegistryAccess = {
  readonly reference: Reference;
  readonly credentials: Credentials | undefined;
  readonly certsDirs: readonly string[];
  /** With credentials of the node, for callers that bring none. */
  readonly authFiles: readonly string[];
  readonly proxyEnvironment: Readonly<Record<string, string>>;
  readonly idleTimeoutMs: number;
  readonly patience: Patience;
};

export type ResolveRequest = { readonly access: RegistryAccess; readonly store: string };

export type DownloadRequest = {
  readonly access: RegistryAccess;
  readonly blob: Descriptor;
  readonly progress: SharedArrayBuffer;
  /** An empty file in the store, which gets the blob's name when all is well. */
  readonly path: string;
  readonly store: string;
};

const calls = {
  resolve: async ({ access, store }: ResolveRequest, { signal }: Caller): Promise<ImagePlan> => {
    const registry = await connect(access);
    const documents = new Documents(registry, access.reference, store);
    return resolveImage(documents, machineArchitecture(), signal);
  },
  download: async (request: DownloadRequest, { signal }: Caller): Promise<void> => {
    try {
      await download(request, signal);
    } catch (cause) {
      throw stageFault(`fetch layer "${request.blob.digest}"`, cause);
    }
  },
};
export type FetchCalls = typeof calls;

const collectBuffers = bufferCollector();

/** Those of recent pulls, with their connections and tokens, for the layers that follow. */
const registries = new Map<string, Registry>();
const maxRegistries = 32;

/** Begins with what is configured now: mirrors and credentials change without a restart. */
async function connect(access: RegistryAccess): Promise<Registry> {
  const endpoints = await endpointsOf(access.reference.host, access.certsDirs);
  const nodeCredentials = await readAuthFiles(access.authFiles);
  const registry = new Registry({ ...access, endpoints, nodeCredentials });
  const key = JSON.stringify(access);
  registries.delete(key);
  registries.set(key, registry);
  const [oldest] = registries.keys();
  if (oldest !== undefined && registries.size > maxRegistries) registries.delete(oldest);
  return registry;
}

async function download(request: DownloadRequest, signal: AbortSignal): Promise<void> {
  const progress = new DownloadProgress(request.progress);
  try {
    const known = registries.get(JSON.stringify(request.access));
    const registry = known ?? (await connect(request.access));
    await using file = await open(request.path, 'r+');
    const { blob } = request;
    await downloadBlob(registry, { blob, fd: file.fd, progress, received: collectBuffers }, signal);
    progress.complete();
    await renameDurably(file, request.path, blobPath(request.store, request.blob.digest));
  } finally {
    // A reader must not wait for what will not come.
    progress.stop();
  }
}

serve(calls);
