import { createHash } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type TestEntry, tarArchive } from './tar-archive.ts';

export type Blob = { readonly mediaType: string; readonly digest: string; readonly bytes: Buffer };

export type TestImage = {
  readonly manifest: Blob;
  readonly config: Blob;
  readonly layers: readonly Blob[];
};

export type TestLayer = {
  readonly entries: readonly TestEntry[];
  readonly compression?: 'gzip' | 'zstd' | 'none';
  /** How many zeros follow the archive. */
  readonly paddingBytes?: number;
};

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export function blobOf(mediaType: string, content: Uint8Array | object): Blob {
  const bytes =
    content instanceof Uint8Array ? Buffer.from(content) : Buffer.from(JSON.stringify(content));
  return { mediaType, digest: digestOf(bytes), bytes };
}

export function descriptorOf({ mediaType, digest, bytes }: Blob) {
  return { mediaType, digest, size: bytes.length };
}

const layerType = 'application/vnd.oci.image.layer.v1.tar';
const packers = {
  none: (tar: Buffer) => blobOf(layerType, tar),
  gzip: (tar: Buffer) => blobOf(`${layerType}+gzip`, gzipSync(tar, { level: 1 })),
  zstd: (tar: Buffer) => blobOf(`${layerType}+zstd`, zstdCompressSync(tar)),
};

/** An OCI image of these layers, the lowest first; `config` is merged into its configuration. */
export function buildImage(layers: readonly TestLayer[], config: object = {}): TestImage {
  const tars = layers.map(({ entries, paddingBytes = 0 }) =>
    Buffer.concat([tarArchive(entries), Buffer.alloc(paddingBytes)]),
  );
  const blobs = tars.map((tar, n) => packers[layers[n]?.compression ?? 'gzip'](tar));
  const configBlob = blobOf('application/vnd.oci.image.config.v1+json', {
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/bin/sh'], Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: tars.map(digestOf) },
    ...config,
  });
  const manifest = blobOf('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptorOf(configBlob),
    layers: blobs.map(descriptorOf),
  });
  return { manifest, config: configBlob, layers: blobs };
}

/** Uploads an image, and gives it a tag. */
export async function pushImage(
  host: string,
  { repository, tag }: { readonly repository: string; readonly tag: string },
  image: TestImage,
): Promise<void> {
  const base = `http://${host}/v2/${repository}`;
  for (const blob of [...image.layers, image.config]) await pushBlob(base, blob);
  await pushManifest(base, tag, image.manifest);
}

export async function pushManifest(base: string, tag: string, { mediaType, bytes }: Blob) {
  const headers = { 'content-type': mediaType };
  await expectStatus(
    fetch(`${base}/manifests/${tag}`, { method: 'PUT', headers, body: bytes }),
    201,
  );
}

async function pushBlob(base: string, { digest, bytes }: Blob): Promise<void> {
  const start = await expectStatus(fetch(`${base}/blobs/uploads/`, { method: 'POST' }), 202);
  const location = new URL(start.headers.get('location') ?? '', base);
  location.searchParams.set('digest', digest);
  const headers = { 'content-type': 'application/octet-stream' };
  await expectStatus(fetch(location, { method: 'PUT', headers, body: bytes }), 201);
}

async function expectStatus(answer: Promise<Response>, status: number): Promise<Response> {
  const response = await answer;
  if (response.status !== status)
    throw new Error(`status ${response.status}: ${await response.text()}`);
  return response;
}
