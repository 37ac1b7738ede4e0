import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { Fault } from '#errors/fault.ts';
import { type Outcome, statusText } from './exec-status.ts';
import type { ExecRequest, Targets } from './sessions.ts';
import { SpdyConnection, type SpdyStream } from './spdy/connection.ts';
import { readSizes } from './terminal-sizes.ts';

/** The protocols that this speaks, the best one first. Of the version it is that matters. */
export const execProtocols = [
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
];

/** How long a client may take to open all streams of a session. */
const openTimeoutMs = 30_000;

type Session = {
  readonly request: ExecRequest;
  readonly protocol: string;
  readonly exec: Targets['exec'];
};

/** Serves one exec on a connection, from the opening of its streams to the client's farewell. */
export async function serveSpdyExec(socket: Duplex, session: Session): Promise<void> {
  const version = Number(/^v(\d)/.exec(session.protocol)?.[1] ?? 1);
  const gone = new AbortController();
  const streams = expectStreams(streamNames(session.request, version));
  const connection = new SpdyConnection(socket, { maxStreams: 8, onStream: streams.add });
  const served = connection.run().finally(() => gone.abort());
  const executed = streams.complete
    .then((all) => execute(all, { ...session, version, signal: gone.signal }))
    .finally(() => connection.close());
  gone.signal.addEventListener('abort', () => streams.giveUp('its client has gone'));
  const results = await Promise.allSettled([served, executed]);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

function streamNames(request: ExecRequest, version: number): string[] {
  const wanted = (['stdin', 'stdout', 'stderr'] as const).filter((name) => request[name]);
  return ['error', ...wanted, ...(request.hasTerminal && version >= 3 ? ['resize'] : [])];
}

type Streams = ReadonlyMap<string, Duplex>;

/** Gathers one stream of each name. Others are reset. */
function expectStreams(names: readonly string[]) {
  const { promise: complete, resolve, reject } = Promise.withResolvers<Streams>();
  const streams = new Map<string, Duplex>();
  const giveUp = (why: string): void => {
    clearTimeout(timer);
    reject(new Fault('cancelled', `open the streams of an exec: ${why}`));
  };
  const timer = setTimeout(giveUp, openTimeoutMs, `not all came within ${openTimeoutMs} ms`);
  const add = ({ headers, duplex }: SpdyStream): void => {
    const name = headers.get('streamtype') ?? '';
    if (!names.includes(name) || streams.has(name)) return void duplex.destroy();
    streams.set(name, duplex);
    if (streams.size < names.length) return;
    clearTimeout(timer);
    resolve(streams);
  };
  return { complete, add, giveUp };
}

type Execution = Session & { readonly version: number; readonly signal: AbortSignal };

async function execute(
  streams: Streams,
  { request, exec, version, signal }: Execution,
): Promise<void> {
  const [error, stdout, stderr] = ['error', 'stdout', 'stderr'].map((name) => streams.get(name));
  // Nothing is expected on these, but their ends.
  for (const stream of [error, stdout, stderr]) stream?.resume();
  const resize = streams.get('resize');
  const outcome = await outcomeOf(
    exec(
      request,
      {
        stdin: streams.get('stdin'),
        stdout,
        stderr,
        onResize: (listener) => resize && readSizes(resize, listener),
      },
      signal,
    ),
  );
  for (const stream of [stdout, stderr]) stream?.end();
  error?.end(statusText(outcome, version));
  const written = [error, stdout, stderr].filter((stream) => stream !== undefined).map(isWritten);
  await Promise.allSettled(written);
  if (outcome.kind === 'failed') throw outcome.cause;
}

async function outcomeOf(running: Promise<number>): Promise<Outcome> {
  try {
    return { kind: 'exited', exitCode: await running };
  } catch (cause) {
    return { kind: 'failed', cause };
  }
}

async function isWritten(stream: Duplex): Promise<void> {
  await finished(stream, { readable: false });
}
