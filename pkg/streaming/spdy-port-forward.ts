import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe } from '#errors/fault.ts';
import type { PortForwardRequest, Targets } from './sessions.ts';
import { SpdyConnection, type SpdyStream } from './spdy/connection.ts';

export const portForwardProtocols = ['portforward.k8s.io'];

/** Two for each connection that is forwarded at the same time. */
const maxStreams = 2_000;
/** How long the second stream of a pair may take to come. */
const pairTimeoutMs = 30_000;

type Session = { readonly request: PortForwardRequest; readonly connect: Targets['connect'] };

/** The two streams of a forwarded connection; they come one after the other. */
type Pair = { error?: Duplex; data?: Duplex; readonly timer: NodeJS.Timeout };

/** Forwards connections for as long as the client stays. */
export async function serveSpdyPortForward(socket: Duplex, session: Session): Promise<void> {
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

type Connection = { readonly error: Duplex; readonly data: Duplex; readonly port: number };

/** Carries one connection to its end. What goes wrong is for the client to know: it never throws. */
async function forward(
  { request, connect }: Session,
  { error, data, port }: Connection,
): Promise<void> {
  error.resume();
  try {
    const target = await connect(request.sandboxId, port);
    await Promise.all([pipeline(data, target), pipeline(target, data)]);
    error.end();
  } catch (cause) {
    error.end(describe(cause));
    data.destroy();
  }
}
