import type { WebSocketServer } from 'ws';
import { refuse, type Upgrade } from '#streaming/upgrade.ts';
import type { Accepted } from './link.ts';

const options = {
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  /** In bytes. Clients send some 32 KiB at a time. */
  maxPayload: 4 * 1024 * 1024,
  // A message may come in pieces, and each takes memory of its own.
  maxFragments: 4_096,
  maxBufferedChunks: 4_096,
  /** How long, in milliseconds, a client may take to close its side after the end. */
  closeTimeout: 5_000,
};

export type Agreed = Accepted & { readonly protocol: string };

let acceptor: WebSocketServer | undefined;

/**
 * Agrees on WebSocket (RFC 6455) and on the first of the client's protocols that is among `known`,
 * where an empty name stands for a client that offers none. Otherwise tells the client why not, and
 * returns undefined.
 */
export async function acceptWebSocket(
  { request, socket }: Upgrade,
  known: readonly string[],
): Promise<Agreed | undefined> {
  const offered = request.headers['sec-websocket-protocol'] ?? '';
  const protocol = offered
    .split(',')
    .map((name) => name.trim())
    .find((name) => known.includes(name));
  if (protocol === undefined) {
    return refuse(socket, 400, `none of these protocols is known: ${offered}`);
  }
  // Most sessions are SPDY's: what they do not need is not in memory.
  const { WebSocketServer } = await import('ws');
  acceptor ??= new WebSocketServer(options);
  // It may have gone meanwhile, and nothing would tell of that again.
  if (socket.destroyed) return undefined;
  // ws knows names without a slash only, as RFC 6455 has it; Kubernetes has one with.
  delete request.headers['sec-websocket-protocol'];
  const answer = (headers: string[]): void => {
    if (protocol !== '') headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
  };
  const { promise, resolve } = Promise.withResolvers<Agreed | undefined>();
  // A bad handshake is answered, and the connection closed.
  socket.once('close', () => resolve(undefined));
  acceptor.once('headers', answer);
  acceptor.handleUpgrade(request, socket, Buffer.alloc(0), (webSocket) =>
    resolve({ webSocket, socket, protocol }),
  );
  acceptor.off('headers', answer);
  return promise;
}
