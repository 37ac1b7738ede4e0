import type { Duplex } from 'node:stream';
import { commandOf } from './command.ts';
import type { StreamRequest, Targets } from './sessions.ts';
import { serveSpdyCommand, spdyCommandProtocols } from './spdy-command.ts';
import { serveSpdyPortForward, spdyPortForwardProtocols } from './spdy-port-forward.ts';
import { agreeOnSpdy, refuse, type Upgrade } from './upgrade.ts';
import { acceptWebSocket, type Agreed } from './websocket/accept.ts';
import { serveWebSocketCommand, webSocketCommandProtocols } from './websocket-command.ts';
import {
  serveWebSocketPortForward,
  webSocketPortForwardProtocols,
} from './websocket-port-forward.ts';

export type Session = {
  readonly request: StreamRequest;
  readonly targets: Targets;
  /** Called when a protocol has been agreed on. */
  readonly onAgreed: (socket: Duplex) => void;
};

/**
 * Speaks with a client from the handshake to its end, or tells it why not. Rejects when it does not
 * keep to the protocol.
 */
export async function serveSession(session: Session, upgrade: Upgrade): Promise<void> {
  const wanted = upgrade.request.headers.upgrade?.toLowerCase();
  if (wanted === 'spdy/3.1') return speakSpdy(session, upgrade);
  if (wanted === 'websocket') return speakWebSocket(session, upgrade);
  refuse(upgrade.socket, 400, 'the protocol must be SPDY/3.1 or websocket');
}

async function speakSpdy(session: Session, upgrade: Upgrade): Promise<void> {
  const { request, targets } = session;
  const { socket } = upgrade;
  const isCommand = request.kind !== 'portforward';
  const known = isCommand ? spdyCommandProtocols : spdyPortForwardProtocols;
  const protocol = agreeOnSpdy(upgrade, known);
  if (protocol === undefined) return;
  session.onAgreed(socket);
  if (isCommand) return serveSpdyCommand(socket, { ...commandOf(targets, request), protocol });
  return serveSpdyPortForward(socket, { request, connect: targets.connect });
}

async function speakWebSocket(session: Session, upgrade: Upgrade): Promise<void> {
  const { request, targets } = session;
  const isCommand = request.kind !== 'portforward';
  const known = isCommand ? webSocketCommandProtocols : webSocketPortForwardProtocols;
  const agreed: Agreed | undefined = await acceptWebSocket(upgrade, known);
  if (agreed === undefined) return;
  session.onAgreed(upgrade.socket);
  if (isCommand) return serveWebSocketCommand(agreed, commandOf(targets, request));
  return serveWebSocketPortForward(agreed, { request, connect: targets.connect });
}
