import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Fault, faultCode } from '#errors/fault.ts';
import type { Log } from '#log/log.ts';
import { type ListenOptions, listen } from './listener.ts';
import { OpenSessions } from './open-sessions.ts';
import { serveSession } from './session.ts';
import { nameOf, type StreamRequest, type Targets } from './sessions.ts';
import { Tokens } from './tokens.ts';
import { refuse, type Upgrade } from './upgrade.ts';

export type StreamingServer = {
  /** A URL at which one client can do within a minute what is asked for here. */
  urlFor(request: StreamRequest): string;
  /** Cuts all sessions, and waits for the end of what they led to, but no longer than `graceMs`. */
  close(graceMs: number): Promise<void>;
};

export type StreamingOptions = ListenOptions & {
  readonly log: Log;
  readonly targets: Targets;
  /** A session in which nothing moves for so long has been forgotten. */
  readonly idleTimeoutMs: number;
};

const maxSessions = 1_000;
const keepAliveDelayMs = 30_000;

/** Serves the sessions of Exec, Attach and PortForward, to those who have a token. */
export async function serveStreams(options: StreamingOptions): Promise<StreamingServer> {
  const { log, targets, idleTimeoutMs } = options;
  const tokens = new Tokens<StreamRequest>();
  const sessions = new OpenSessions(log);
  const listener = await listen(options);
  const { server } = listener;
  server.on('request', (request, response) => {
    const isKnown = tokens.take(tokenOf(request)) !== undefined;
    response.writeHead(isKnown ? 400 : 404).end(isKnown ? 'an upgrade is needed\n' : 'not found\n');
  });
  server.on('upgrade', (upgraded, socket, head) => {
    prepareSocket(socket, head);
    const request = tokens.take(tokenOf(upgraded));
    if (request === undefined) refuse(socket, 404, 'not found');
    else if (sessions.size >= maxSessions) refuse(socket, 503, 'too many sessions');
    else begin(request, { request: upgraded, socket });
  });
  const begin = (request: StreamRequest, upgrade: Upgrade): void => {
    const { socket } = upgrade;
    const onAgreed = (): void => endWhenIdle(socket, idleTimeoutMs);
    const session = serveSession({ request, targets, onAgreed }, upgrade)
      .catch((error: unknown) => report(log, request, error))
      .finally(() => {
        if (!socket.writableEnded) socket.destroy();
      });
    sessions.add(socket, nameOf(request), session);
  };
  return {
    urlFor: (request) => `${listener.url()}/${request.kind}/${tokens.issue(request)}`,
    close: async (graceMs) => {
      server.close();
      server.closeAllConnections();
      await sessions.close(graceMs);
    },
  };
}

function tokenOf({ url = '' }: IncomingMessage): string {
  return /^\/(?:exec|attach|portforward)\/([\w-]+)$/.exec(url)?.[1] ?? '';
}

function prepareSocket(socket: Duplex, head: Buffer): void {
  socket.on('error', () => {});
  if (head.length > 0) socket.unshift(head);
  if (!(socket instanceof Socket)) return;
  socket.setNoDelay(true);
  socket.setKeepAlive(true, keepAliveDelayMs);
}

function endWhenIdle(socket: Duplex, timeoutMs: number): void {
  if (!(socket instanceof Socket)) return;
  const why = `wait for a session to go on: nothing moved for ${timeoutMs / 1000} s`;
  socket.setTimeout(timeoutMs, () => socket.destroy(new Fault('deadline-exceeded', why)));
}

/** Nobody waits for what goes wrong. That clients go is nothing wrong. */
function report(log: Log, { kind }: StreamRequest, error: unknown): void {
  const level = faultCode(error) === 'cancelled' ? 'debug' : 'warn';
  log[level]({ kind, error }, 'a streaming session was ended');
}
