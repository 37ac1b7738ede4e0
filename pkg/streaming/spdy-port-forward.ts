import type { Duplex } from 'node:stream';
import { forward, type PortForward } from './port-forward.ts';
import { SpdyConnection, type SpdyStream } from './spdy/connection.ts';

export const spdyPortForwardProtocols = ['portforward.k8s.io'];

/** Two for each connection that is forwarded at the same time. */
const maxStreams = 2_000;
/** How long the second stream of a pair may take to come. */
const pairTimeoutMs = 30_000;

/** The two streams of a forwarded connection; they come one after the other. */
type Pair = { error?: Duplex; data?: Duplex; readonly timer: NodeJS.Timeout };

/** Forwards connections for as long as the client stays. */
export async function serveSpdyPortForward(socket: Duplex, session: PortForward): Promise<void> {
  const pairs = new Map<string, Pair>();
  const forwarding = new Set<Promise<void>>();
  const onStream = (stream: SpdyStream): void => {
    const [id, type] = [pairId(stream), stream.headers.get('streamtype')];
    if (type !== 'error' && type !== 'data') return void stream.duplex.destroy();
    const pair = pairs.get(id) ?? newPair(() => pairs.delete(id));
    pairs.set(id, pair);
    pair[type]?.destroy();
    pair[type] = stream.duplex;
    const { error, data, timer } = pair;
    if (error === undefined || data === undefined) return;
    clearTimeout(timer);
    pairs.delete(id);
    const forwarded = forward(session, { error, data, port: Number(stream.headers.get('port')) });
    forwarding.add(forwarded);
    void forwarded.finally(() => forwarding.delete(forwarded));
  };
  try {
    await new SpdyConnection(socket, { onStream, maxStreams }).run();
  } finally {
    for (const { timer } of pairs.values()) clearTimeout(timer);
    await Promise.all(forwarding);
  }
}

function newPair(forget: () => void): Pair {
  const pair: Pair = {
    timer: setTimeout(() => {
      forget();
      pair.error?.destroy();
      pair.data?.destroy();
    }, pairTimeoutMs),
  };
  return pair;
}

/** Old clients give no id, and open the data stream right after the error stream. */
function pairId({ id, headers }: SpdyStream): string {
  const given = headers.get('requestid');
  if (given !== undefined) return given;
  return `stream ${headers.get('streamtype') === 'data' ? id - 2 : id}`;
}
