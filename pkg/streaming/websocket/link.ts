import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { Fault } from '#errors/fault.ts';

/** A connection on which WebSocket has been agreed. */
export type Accepted = { readonly webSocket: WebSocket; readonly socket: Duplex };

/** Messages to and from a client. */
export type Link = {
  /** Sends a message; `done` is called once there is room for another. */
  readonly send: (message: Buffer, options: SendOptions) => void;
  /** Stops reading, after the few messages that have arrived already. */
  readonly hold: () => void;
  readonly release: () => void;
  /** Says that all is said. What the client still sends is read and dropped. */
  readonly end: () => void;
  /** Cuts the connection. */
  readonly cut: () => void;
  /** Resolves when the client has gone, and rejects when it did not keep to the protocol. */
  readonly ended: Promise<void>;
};

type SendOptions = {
  readonly isBinary: boolean;
  readonly done: (error?: Error | null) => void;
};

/** A message; a Fault that is thrown ends the session. */
export type OnMessage = (message: Buffer, isBinary: boolean) => void;

const closeCode = { normal: 1000, protocolError: 1002 };
/** How often a client that is not read is looked after. */
const probeMs = 1_000;

/** Takes over an accepted connection. */
export function openLink({ webSocket, socket }: Accepted, onMessage: OnMessage): Link {
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  let probe: NodeJS.Timeout | undefined;
  const release = (): void => {
    clearInterval(probe);
    probe = undefined;
    if (webSocket.readyState === webSocket.OPEN) webSocket.resume();
  };
  const drop = (): void => {
    webSocket.off('message', receive);
    release();
  };
  const fail = (error: unknown): void => {
    reject(error instanceof Fault ? error : malformed(error));
    drop();
    webSocket.close(closeCode.protocolError);
  };
  // Messages are Buffers, as `binaryType` says when nobody changes it.
  const receive = (message: unknown, isBinary: boolean): void => {
    try {
      if (Buffer.isBuffer(message)) onMessage(message, isBinary);
    } catch (error) {
      fail(error);
    }
  };
  webSocket.on('message', receive);
  // Frames that are malformed; it closes itself then.
  webSocket.on('error', fail);
  // Why a connection was cut, if that was by us.
  socket.once('error', (error) => error instanceof Fault && reject(error));
  webSocket.once('close', () => {
    clearInterval(probe);
    resolve();
  });
  return {
    ended,
    release,
    send: (message, { isBinary, done }) => webSocket.send(message, { binary: isBinary }, done),
    hold: () => {
      webSocket.pause();
      probe ??= setInterval(() => look(webSocket), probeMs);
    },
    end: () => {
      drop();
      webSocket.close(closeCode.normal);
    },
    cut: () => webSocket.terminate(),
  };
}

/** The end of a connection that is not read shows only in writing to it; nobody answers a PONG. */
function look(webSocket: WebSocket): void {
  if (webSocket.bufferedAmount === 0) webSocket.pong(undefined, false, () => {});
}

function malformed(cause: unknown): Fault {
  return new Fault('invalid-argument', 'read a WebSocket frame', { cause });
}
