import { createServer, type IncomingMessage, type Server } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Fault } from '#errors/fault.ts';
import type { Log } from '#log/log.ts';
import { commandOf } from './command.ts';
import type { StreamRequest, Targets } from './sessions.ts';
import { serveSpdyCommand, spdyCommandProtocols } from './spdy-command.ts';
import { portForwardProtocols, serveSpdyPortForward } from './spdy-port-forward.ts';
import { Tokens } from './tokens.ts';
import { agreeOnSpdy, refuse, type Upgrade } from './upgrade.ts';

export type StreamingServer = {
  /** A URL at which one client can do within a minute what is asked for here. */
  urlFor(request: StreamRequest): string;
  /** Cuts all sessions, and resolves when what they led to has ended. */
  close(): Promise<void>;
};

export type StreamingOptions = {
  readonly log: Log;
  readonly targets: Targets;
  /** `127.0.0.1:0`: an address and a port, of which 0 is any. */
  readonly listen: string;
};

const maxSessions = 1_000;
/** A session in which nothing moves for so long has been forgotten. */
const idleTimeoutMs = 4 * 60 * 60 * 1000;

/** Serves the sessions of Exec and PortForward, to those who have a token. */
export async function serveStreams(options: StreamingOptions): Promise<StreamingServer> {
  const tokens = new Tokens<StreamRequest>();
  const sessions = new Map<Duplex, Promise<void>>();
  const server = createServer((request, response) => {
    const isKnown = tokens.take(tokenOf(request)) !== undefined;
    response.writeHead(isKnown ? 400 : 404).end(isKnown ? 'an upgrade is needed\n' : 'not found\n');
  });
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => {});
    const granted = tokens.take(tokenOf(request));
    if (granted === undefined) refuse(socket, 404, 'not found');
    else if (sessions.size >= maxSessions) refuse(socket, 503, 'too many sessions');
    else begin(granted, { request, socket }, head);
  });
  const begin = (granted: StreamRequest, upgrade: Upgrade, head: Buffer): void => {
    const { socket } = upgrade;
    prepareSocket(socket, head);
    const session = serveSession(options, granted, upgrade);
    sessions.set(socket, session);
    void session.finally(() => sessions.delete(socket));
  };
  const base = await listen(server, options.listen);
  return {
    urlFor: (request) => `${base}/${request.kind}/${tokens.issue(request)}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      for (const socket of sessions.keys()) socket.destroy();
      await Promise.all(sessions.values());
    },
  };
}

function tokenOf({ url = '' }: IncomingMessage): string {
  return /^\/(?:exec|attach|portforward)\/([\w-]+)$/.exec(url)?.[1] ?? '';
}

function prepareSocket(socket: Duplex, head: Buffer): void {
  if (head.length > 0) socket.unshift(head);
  if (!(socket instanceof Socket)) return;
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 30_000);
  socket.setTimeout(idleTimeoutMs, () => socket.destroy());
}

/** From the handshake to the client's end. Nobody waits for what goes wrong, so it is logged. */
async function serveSession(
  { log, targets }: StreamingOptions,
  granted: StreamRequest,
  upgrade: Upgrade,
): Promise<void> {
  try {
    await speakSpdy(targets, granted, upgrade);
  } catch (error) {
    log.debug({ error, kind: granted.kind }, 'a streaming session failed');
  } finally {
    if (!upgrade.socket.writableEnded) upgrade.socket.destroy();
  }
}

async function speakSpdy(
  targets: Targets,
  granted: StreamRequest,
  upgrade: Upgrade,
): Promise<void> {
  const { request, socket } = upgrade;
  if (request.headers.upgrade?.toLowerCase() !== 'spdy/3.1') {
    return refuse(socket, 400, 'the protocol must be SPDY/3.1');
  }
  const known = granted.kind === 'portforward' ? portForwardProtocols : spdyCommandProtocols;
  const protocol = agreeOnSpdy(upgrade, known);
  if (protocol === undefined) return;
  if (granted.kind === 'portforward') {
    return serveSpdyPortForward(socket, { request: granted, connect: targets.connect });
  }
  return serveSpdyCommand(socket, { ...commandOf(targets, granted), protocol });
}

async function listen(server: Server, address: string): Promise<string> {
  const [, host = '', port] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen(Number(port), host, resolve);
  try {
    await promise;
  } catch (cause) {
    throw new Fault('failed-precondition', `listen at "${address}" for streams`, { cause });
  }
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new TypeError('not a TCP address');
  return `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`;
}
