import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import type { Blob, TestImage } from './test-image.ts';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export type FakeRegistry = AsyncDisposable & {
  readonly host: string;
  /** `METHOD /path` of each request, in order. */
  readonly requests: string[];
};

/** An HTTP server on a free port of the loopback, which answers as `handle` says. */
export async function startFake(handle: Handler): Promise<FakeRegistry> {
  const requests: string[] = [];
  const server: Server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    handle(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on TCP
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/**
 * Answers for the repository `test` with one image under every tag. `special` may answer a request
 * in another way first, and returns whether it did.
 */
export function serving(
  image: TestImage,
  special: (request: IncomingMessage, response: ServerResponse) => boolean = () => false,
): Handler {
  const blobs = new Map(
    [...image.layers, image.config, image.manifest].map((blob) => [blob.digest, blob]),
  );
  return (request, response) => {
    if (special(request, response)) return;
    const [, kind, name = ''] =
      /^\/v2\/test\/(manifests|blobs)\/([^?]+)/.exec(request.url ?? '') ?? [];
    const blob =
      blobs.get(name) ?? (kind === 'manifests' && !name.includes(':') ? image.manifest : undefined);
    if (blob) answer(request, response, blob);
    else response.writeHead(404).end('{"errors":[{"code":"NAME_UNKNOWN","message":"not here"}]}');
  };
}

export function answer({ method }: IncomingMessage, response: ServerResponse, blob: Blob): void {
  response.writeHead(200, {
    'content-type': blob.mediaType,
    'content-length': blob.bytes.length,
    'docker-content-digest': blob.digest,
  });
  response.end(method === 'HEAD' ? undefined : blob.bytes);
}
