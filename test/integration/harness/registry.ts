import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manifestType, type Image } from './image.ts';
import { startServer } from './server-process.ts';

/** A registry on loopback: where it listens (`127.0.0.1:port`) and where it keeps its blobs. */
export type Registry = AsyncDisposable & { readonly host: string; readonly storage: string };

export type RegistryOptions = {
  /** Another registry's storage, to serve the same images in another way. It is left there. */
  readonly storage?: string;
  /** Who may come in: lines of an htpasswd file, with bcrypt. */
  readonly htpasswd?: string;
  /** Speak TLS with this certificate; PEM files. */
  readonly tls?: { readonly certificate: string; readonly key: string };
};

/** Starts Debian's docker-registry on a free port. */
export async function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-registry-'));
  const storage = options.storage ?? join(directory, 'storage');
  const config = join(directory, 'config.json');
  const htpasswd = join(directory, 'htpasswd');
  await writeFile(htpasswd, options.htpasswd ?? '');
  await writeFile(config, JSON.stringify(configuration({ ...options, storage }, htpasswd)));
  const server = await startServer({
    command: ['docker-registry', 'serve', config],
    log: join(directory, 'log'),
    ready: /listening on (127\.0\.0\.1:\d+)/,
  });
  return {
    host: server.ready[1] ?? '',
    storage,
    [Symbol.asyncDispose]: async () => {
      await server.end('SIGKILL');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The registry reads YAML, of which JSON is a part. */
function configuration({ storage, htpasswd, tls }: RegistryOptions, path: string): object {
  return {
    version: 0.1,
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: storage } },
    http: { addr: '127.0.0.1:0', ...(tls && { tls }) },
    ...(htpasswd !== undefined && { auth: { htpasswd: { realm: 'tests', path } } }),
  };
}

/**
 * Pushes `image` over the registry's HTTP API (distribution-spec, "Pushing manifests") and returns
 * its reference. `name` is a repository with an optional tag: `library/tool:v2`.
 */
export async function push(host: string, image: Image, name: string): Promise<string> {
  const [repository, tag = 'latest'] = name.split(':');
  const base = `http://${host}/v2/${repository}`;
  for (const { blob, digest } of image.layers) await pushBlob(base, blob, digest);
  await pushBlob(base, image.config, image.id);
  await send(`${base}/manifests/${tag}`, 'PUT', { type: manifestType, bytes: image.manifest });
  return `${host}/${repository}:${tag}`;
}

async function pushBlob(base: string, bytes: Buffer, digest: string): Promise<void> {
  const upload = await send(`${base}/blobs/uploads/`, 'POST');
  const location = new URL(upload.headers.get('location') ?? '', base);
  location.searchParams.set('digest', digest);
  await send(location.href, 'PUT', { type: 'application/octet-stream', bytes });
}

async function send(
  url: string,
  method: string,
  body?: { readonly type: string; readonly bytes: Buffer },
): Promise<Response> {
  const response = await fetch(url, {
    method,
    ...(body && { body: new Uint8Array(body.bytes), headers: { 'content-type': body.type } }),
  });
  if (!response.ok)
    throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`);
  return response;
}

/** Where a registry keeps the bytes of a blob; it does not check them again when it serves them. */
export function blobPath(storage: string, digest: string): string {
  const hex = digest.replace('sha256:', '');
  return join(storage, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
}
