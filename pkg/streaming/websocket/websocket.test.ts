import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { acceptWebSocket } from './accept.ts';
import { type Channels, codingOf, openChannels } from './channels.ts';
import { openTunnel } from './tunnel.ts';

let resources = new AsyncDisposableStack();
afterEach(async () => {
  await resources.disposeAsync();
  resources = new AsyncDisposableStack();
});

const protocols = ['v5.channel.k8s.io', 'v4.base64.channel.k8s.io', 'a/b', ''];

/** A server of one connection, and its port. */
async function serve<Opened>(open: (accepted: Parameters<typeof openTunnel>[0]) => Opened) {
  const { promise: opened, resolve } = Promise.withResolvers<Opened>();
  const server = createServer().on('upgrade', (request, socket) => {
    socket.on('error', () => {});
    void acceptWebSocket({ request, socket }, [...protocols, 'v4.channel.k8s.io']).then(
      (accepted) => accepted && resolve(open({ ...accepted })),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  resources.defer(() => void server.close());
  resources.defer(() => server.closeAllConnections());
  return { opened, port: (server.address() as AddressInfo).port };
}

async function client(port: number, ...offered: readonly string[]): Promise<WebSocket> {
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}`, [...offered]);
  resources.defer(() => webSocket.terminate());
  webSocket.on('error', () => {});
  await once(webSocket, 'open');
  return webSocket;
}

async function channels(...offered: readonly string[]) {
  const coding = codingOf(offered[0] ?? '');
  const { opened, port } = await serve((accepted): Channels =>
    openChannels(accepted, { count: 3, coding }),
  );
  const webSocket = await client(port, ...offered);
  const { duplexes, link } = await opened;
  // Awaited by tests that expect it to fail.
  link.ended.catch(() => {});
  return { webSocket, duplexes: duplexes as [Duplex, Duplex, Duplex], link };
}

async function nextMessage(webSocket: WebSocket): Promise<{ text: string; isBinary: boolean }> {
  const [message, isBinary] = await once(webSocket, 'message');
  return { text: message.toString('latin1'), isBinary };
}

it('carries bytes on numbered channels, in both directions', async () => {
  const { webSocket, duplexes } = await channels('v5.channel.k8s.io');
  webSocket.send(Buffer.from('\0question'));
  expect(await once(duplexes[0], 'data')).toEqual([Buffer.from('question')]);
  duplexes[1].write('answer');
  expect(await nextMessage(webSocket)).toEqual({ text: '\x01answer', isBinary: true });
});

it('carries text in base64', async () => {
  const { webSocket, duplexes } = await channels('v4.base64.channel.k8s.io');
  webSocket.send(`0${Buffer.from([0, 255]).toString('base64')}`);
  expect(await once(duplexes[0], 'data')).toEqual([Buffer.from([0, 255])]);
  duplexes[2].write(Buffer.from([1, 2]));
  expect(await nextMessage(webSocket)).toEqual({ text: '2AQI=', isBinary: false });
});

it('ends a channel at the sign for it, and drops what comes after', async () => {
  const { webSocket, duplexes } = await channels('v5.channel.k8s.io');
  for (const bytes of ['\0last', '\xff\0', '\0late']) webSocket.send(Buffer.from(bytes, 'latin1'));
  const read = await Array.fromAsync(duplexes[0]);
  expect(Buffer.concat(read).toString()).toBe('last');
});

it('drops what is for a channel that nobody has, and what is empty', async () => {
  const { webSocket, duplexes } = await channels('v5.channel.k8s.io');
  for (const bytes of ['\x09lost', '', '\0', '\0here'])
    webSocket.send(Buffer.from(bytes, 'latin1'));
  expect(await once(duplexes[0], 'data')).toEqual([Buffer.from('here')]);
});

it.each([
  ['closes a channel that is none', 'v5.channel.k8s.io', Buffer.of(255, 3)],
  ['closes no channel', 'v5.channel.k8s.io', Buffer.of(255)],
  ['is not in base64', 'v4.base64.channel.k8s.io', '0!!!!'],
  ['is too large', 'v5.channel.k8s.io', Buffer.alloc(4 * 1024 * 1024 + 1)],
])('ends with a reason on a message that %s', async (_what, protocol, message) => {
  const { webSocket, link, duplexes } = await channels(protocol);
  webSocket.send(message);
  await expect(link.ended).rejects.toMatchObject({ code: 'invalid-argument' });
  await once(webSocket, 'close');
  await expect.poll(() => duplexes[0].destroyed).toBe(true);
});

/** A connection after the handshake, without a client that keeps to the protocol. */
async function rawClient(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  resources.defer(() => void socket.destroy());
  const key = randomBytes(16).toString('base64');
  socket.write(
    `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n`,
  );
  const [answer] = await once(socket, 'data');
  expect(answer.toString()).toMatch(/^HTTP\/1.1 101 /);
  return socket;
}

it.each([
  ['without a mask', Buffer.of(0x82, 1, 0)],
  ['of an unknown kind', Buffer.of(0x83, 0x80, 0, 0, 0, 0)],
  ['with bits that nobody agreed on', Buffer.of(0xf2, 0x80, 0, 0, 0, 0)],
  ['that continues nothing', Buffer.of(0x80, 0x80, 0, 0, 0, 0)],
  ['of control that is too long', Buffer.of(0x89, 0xfe, 0, 126, 0, 0, 0, 0)],
  ['whose length is beyond measure', Buffer.of(0x82, 0xff, 255, 255, 255, 255, 255, 255, 255, 255)],
])('ends with a reason on a frame %s', async (_what, frame) => {
  const { opened, port } = await serve((accepted) =>
    openChannels(accepted, { count: 1, coding: 'binary' }),
  );
  const socket = await rawClient(port);
  const { link } = await opened;
  socket.write(frame);
  await expect(link.ended).rejects.toMatchObject({ code: 'invalid-argument' });
});

it('ends with a reason on a message in more pieces than any needs', async () => {
  const { opened, port } = await serve((accepted) =>
    openChannels(accepted, { count: 1, coding: 'binary' }),
  );
  const socket = await rawClient(port);
  const { link } = await opened;
  const piece = Buffer.of(0, 0x81, 0, 0, 0, 0, 7);
  socket.write(Buffer.concat([Buffer.of(2, 0x81, 0, 0, 0, 0, 0), ...Array(5000).fill(piece)]));
  await expect(link.ended).rejects.toMatchObject({ code: 'invalid-argument' });
});

it('takes no more than it has room for while a channel is full, and all of it afterwards', async () => {
  const { webSocket, duplexes } = await channels('v5.channel.k8s.io');
  const chunk = Buffer.alloc(64 * 1024 + 1);
  let sent = 0;
  while (sent < 1024) {
    webSocket.send(chunk);
    sent += 1;
  }
  const pending = () => webSocket.bufferedAmount;
  let last = -1;
  await expect
    .poll(() => {
      const before = last;
      last = pending();
      return before === last;
    })
    .toBe(true);
  expect(pending()).toBeGreaterThan(32 * 1024 * 1024);
  expect(duplexes[0].readableLength).toBeLessThan(1024 * 1024);
  // Others are not read meanwhile, but can be written.
  duplexes[1].write('still here');
  expect((await nextMessage(webSocket)).text).toBe('\x01still here');
  let read = 0;
  duplexes[0].on('data', (bytes: Buffer) => (read += bytes.length));
  await expect.poll(() => read, { timeout: 20_000 }).toBe(1024 * 64 * 1024);
});

it('notices that a client has gone which it does not read', async () => {
  const { webSocket, duplexes, link } = await channels('v5.channel.k8s.io');
  for (let count = 0; count < 100; count += 1) webSocket.send(Buffer.alloc(64 * 1024));
  await expect.poll(() => duplexes[0].readableLength).toBeGreaterThan(0);
  webSocket.terminate();
  await link.ended;
  expect(duplexes[0].destroyed).toBe(true);
});

it('agrees on names that are no tokens, and on none', async () => {
  const { port } = await serve((accepted) => openTunnel(accepted));
  expect((await client(port, 'unknown', 'v4.channel.k8s.io')).protocol).toBe('v4.channel.k8s.io');
  expect((await client(port)).protocol).toBe('');
  const socket = connect(port, '127.0.0.1');
  const key = randomBytes(16).toString('base64');
  socket.write(
    `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Protocol: a/b\r\n\r\n`,
  );
  const [answer] = await once(socket, 'data');
  expect(answer.toString()).toContain('\r\nSec-WebSocket-Protocol: a/b\r\n');
  socket.destroy();
});

it('refuses protocols that it does not know, and handshakes that are none', async () => {
  const { port } = await serve((accepted) => openTunnel(accepted));
  const refused = new WebSocket(`ws://127.0.0.1:${port}`, ['v9.channel.k8s.io']);
  await expect(once(refused, 'open')).rejects.toThrow('400');
  const socket = connect(port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  const [answer] = await once(socket, 'data');
  expect(answer.toString()).toMatch(/^HTTP\/1.1 4\d\d /);
  socket.destroy();
});

it('a tunnel carries bytes without regard to messages, and ends with the client', async () => {
  const { opened, port } = await serve((accepted) => openTunnel(accepted));
  const webSocket = await client(port, 'v4.channel.k8s.io');
  const tunnel = await opened;
  webSocket.send(Buffer.from('one'));
  webSocket.send(Buffer.from('two'));
  tunnel.cork();
  tunnel.write('an ');
  tunnel.write('answer');
  tunnel.uncork();
  expect((await nextMessage(webSocket)).text).toBe('an answer');
  webSocket.close();
  expect(Buffer.concat(await Array.fromAsync(tunnel)).toString()).toBe('onetwo');
});

it('a tunnel refuses text', async () => {
  const { opened, port } = await serve((accepted) => openTunnel(accepted));
  const webSocket = await client(port, 'v4.channel.k8s.io');
  const tunnel = await opened;
  webSocket.send('text');
  await expect(Array.fromAsync(tunnel)).rejects.toMatchObject({ code: 'invalid-argument' });
});
