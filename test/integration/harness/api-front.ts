import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { KubeConfig } from '@kubernetes/client-node';

/** The URL of a session, for a path and a query as the API server of Kubernetes has them. */
export type FindSession = (path: string, query: URLSearchParams) => Promise<string>;

/** Stands between a client of Kubernetes and a streaming server, as the API server and kubelet do. */
export async function startFront(
  find: FindSession,
): Promise<AsyncDisposable & { kube: KubeConfig }> {
  const server = createServer();
  server.on('upgrade', (request, client, head) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://front');
    client.on('error', () => {});
    find(pathname, searchParams)
      .then((url) => join(request, { client, head }, new URL(url)))
      .catch(() => client.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const kube = new KubeConfig();
  kube.loadFromClusterAndUser(
    { name: 'node', server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
    { name: 'nobody' },
  );
  return {
    kube,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

type Client = { readonly client: Duplex; readonly head: Buffer };

/** Passes a request on, and then all that is said. */
function join(request: IncomingMessage, { client, head }: Client, target: URL): void {
  const upstream = connect(Number(target.port), target.hostname);
  upstream.on('error', () => client.destroy());
  client.on('close', () => upstream.destroy());
  const headers = request.rawHeaders.flatMap((name, index, all) =>
    index % 2 === 0 ? [`${name}: ${all[index + 1]}\r\n`] : [],
  );
  upstream.write(`GET ${target.pathname} HTTP/1.1\r\n${headers.join('')}\r\n`);
  upstream.write(head);
  client.pipe(upstream).pipe(client);
}
