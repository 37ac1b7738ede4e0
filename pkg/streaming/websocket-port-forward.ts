import type { Duplex } from 'node:stream';
import { forward, type PortForward } from './port-forward.ts';
import { serveSpdyPortForward } from './spdy-port-forward.ts';
import type { Agreed } from './websocket/accept.ts';
import { codingOf, openChannels } from './websocket/channels.ts';
import { openTunnel } from './websocket/tunnel.ts';
import { whileServed } from './while-served.ts';

/** SPDY in WebSocket messages, by the name that clients use and by the one that it was announced with. */
const tunnelProtocols = ['SPDY/3.1+portforward.k8s.io', 'v2.portforward.k8s.io'];
/** The older one: two channels for each port, and one connection to it. */
const channelProtocols = ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io', ''];

export const webSocketPortForwardProtocols = [...tunnelProtocols, ...channelProtocols];

/** Forwards connections for as long as the client stays. */
export async function serveWebSocketPortForward(
  accepted: Agreed,
  session: PortForward,
): Promise<void> {
  if (tunnelProtocols.includes(accepted.protocol)) {
    return serveSpdyPortForward(openTunnel(accepted), session);
  }
  return forwardOnChannels(accepted, session);
}

/** The ports are those of the CRI's request. Ends when all of the connections have. */
async function forwardOnChannels(accepted: Agreed, session: PortForward): Promise<void> {
  const { ports } = session.request;
  const coding = codingOf(accepted.protocol);
  const { link, duplexes } = openChannels(accepted, { count: 2 * ports.length, coding });
  const forwarded = ports.map(async (port, index) => {
    const [data, error] = duplexes.slice(2 * index);
    if (data === undefined || error === undefined) return;
    for (const duplex of [data, error]) sendPort(duplex, port);
    await forward(session, { data, error, port });
  });
  await whileServed(link.ended, async () => {
    await Promise.all(forwarded);
    link.end();
  });
}

/** The first thing that a client hears on a channel is which port it is for. */
function sendPort(duplex: Duplex, port: number): void {
  const message = Buffer.alloc(2);
  message.writeUInt16LE(port);
  duplex.write(message);
}
