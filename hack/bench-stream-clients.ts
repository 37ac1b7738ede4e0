/** Clients of streams that take less than crictl does: many fit into one process. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import { controlFrame, dataFrameHeader, readFrames, uint32 } from '#streaming/spdy/frame.ts';
import { HeaderBlocks } from '#streaming/spdy/header-block.ts';

/**
 * Has a session at the URL of an Exec, by WebSocket in a protocol that every runtime speaks; returns how
 * many bytes of standard output, which is the first channel, came to its end.
 */
export async function countBytes(url: string): Promise<number> {
  const webSocket = new WebSocket(url.replace('http', 'ws'), 'v4.channel.k8s.io');
  let bytes = 0;
  webSocket.on('message', (message: Buffer) => {
    if (message[0] === 1) bytes += message.length - 1;
  });
  await once(webSocket, 'close');
  return bytes;
}

export type SpdySession = {
  readonly socket: Socket;
  /** Sends to standard input. */
  readonly send: (bytes: Buffer) => boolean;
};

const names = ['error', 'stdin', 'stdout'];

/** A session at the URL of an Exec with input and output, by SPDY. Its output is not read. */
export async function openSpdy(url: string): Promise<SpdySession> {
  const { hostname, port, pathname, host } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(
    `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n`,
  );
  const [answer] = await once(socket, 'data');
  if (!answer.toString().startsWith('HTTP/1.1 101'))
    throw new Error(`answer: ${answer.toString()}`);
  socket.pause();
  const blocks = new HeaderBlocks();
  for (const [index, name] of names.entries()) {
    const block = blocks.encode(new Map([['streamtype', name]]));
    socket.write(controlFrame(1, uint32(2 * index + 1, 0), Buffer.alloc(2), block));
  }
  let replies = 0;
  for await (const frame of readFrames(socket.iterator({ destroyOnReturn: false }))) {
    if (frame.kind === 'control' && frame.type === 2) replies += 1;
    if (replies === names.length) break;
  }
  const stdin = 2 * names.indexOf('stdin') + 1;
  const send = (bytes: Buffer): boolean => {
    socket.write(dataFrameHeader(stdin, 0, bytes.length));
    return socket.write(bytes);
  };
  return { socket, send };
}
