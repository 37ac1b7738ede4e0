import { randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type PeerCertificate, connect as connectTls } from 'node:tls';
import { afterEach, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { createLog } from '#log/log.ts';
import { serveStreams, type StreamingOptions, type StreamingServer } from './server.ts';
import type { ExecRequest, Targets } from './sessions.ts';
import { controlFrame, uint32 } from './spdy/frame.ts';
import { selfSign } from './tls/self-signed.ts';

vi.setConfig({ testTimeout: 30_000 });

let resources = new AsyncDisposableStack();
afterEach(async () => {
  await resources.disposeAsync();
  resources = new AsyncDisposableStack();
});

const request: ExecRequest = {
  kind: 'exec',
  containerId: 'a',
  command: ['cat'],
  hasTerminal: false,
  stdin: true,
  stdout: true,
  stderr: false,
};

/** A command that gives back what it gets, and ends with it or with its client. */
const targets: Targets = {
  exec: async (_request, { stdin, stdout }, signal) => {
    if (stdin === undefined || stdout === undefined) throw new Error('both are wanted');
    const gone = once(signal, 'abort').then(() => 130);
    stdin.pipe(stdout, { end: false });
    return Promise.race([once(stdin, 'end').then(() => 0), gone]);
  },
  attach: async () => {},
  connect: async () => connect(1, '127.0.0.1'),
};

async function serve(options: Partial<StreamingOptions> = {}) {
  const lines: { level: string; message: string; error?: string }[] = [];
  const server = await serveStreams({
    log: createLog('debug', (line) => lines.push(JSON.parse(line))),
    targets,
    listen: '127.0.0.1:0',
    idleTimeoutMs: 60_000,
    ...options,
  });
  resources.defer(() => server.close(5_000));
  const logged = async (words: string) =>
    expect
      .poll(() => lines.some(({ error }) => error?.includes(words)), { timeout: 10_000 })
      .toBe(true);
  return { server, lines, logged };
}

/** Exchanges a line by WebSocket: whether the server is well. */
async function talk(server: StreamingServer): Promise<string> {
  const webSocket = new WebSocket(server.urlFor(request), 'v5.channel.k8s.io', {
    rejectUnauthorized: false,
  });
  await once(webSocket, 'open');
  webSocket.send(Buffer.from('\0hello'));
  webSocket.send(Buffer.of(255, 0));
  let said = '';
  webSocket.on('message', (message: Buffer) => (said += `${message.toString()} `));
  const [code] = await once(webSocket, 'close');
  return `${said}${code}`;
}

const ended = '\x01hello \x03{"metadata":{},"status":"Success"} 1000';

const spdyUpgrade = (path: string) =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n`;

async function raw(url: string, head?: string): Promise<Socket> {
  const { port, hostname, pathname } = new URL(url);
  const socket = connect(Number(port), hostname.replaceAll(/[[\]]/g, '')).on('error', () => {});
  resources.defer(() => void socket.destroy());
  socket.write(head ?? spdyUpgrade(pathname));
  return socket;
}

async function spdy(url: string): Promise<Socket> {
  const socket = await raw(url);
  const [answer] = await once(socket, 'data');
  expect(answer.toString()).toMatch(/^HTTP\/1.1 101 /);
  return socket;
}

it('names the address that it listens at, the loopback for any, or what it is told', async () => {
  for (const [options, host] of [
    [{ listen: '127.0.0.1:0' }, '127.0.0.1'],
    [{ listen: '0.0.0.0:0' }, '127.0.0.1'],
    [{ listen: '[::]:0' }, '[::1]'],
    [{ listen: '0.0.0.0:0', advertise: 'localhost' }, 'localhost'],
    [{ listen: '[::]:0', advertise: '::1' }, '[::1]'],
  ] as const) {
    const { server } = await serve(options);
    expect(new URL(server.urlFor(request)).hostname).toBe(host);
    expect(await talk(server)).toBe(ended);
  }
});

it('refuses what cannot be listened at, naming it', async () => {
  await expect(serve({ listen: '192.0.2.1:0' })).rejects.toMatchObject({
    code: 'failed-precondition',
    message: 'listen at port 0 of "192.0.2.1" for streams',
  });
});

it('speaks TLS with a certificate that clients can know', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-streams-'));
  resources.defer(() => rmSync(folder, { recursive: true }));
  const publishAt = join(folder, 'streaming.crt');
  const { server } = await serve({ tls: { kind: 'generated', publishAt } });
  const url = new URL(server.urlFor(request));
  expect(url.protocol).toBe('https:');
  const ca = readFileSync(publishAt);
  const socket = connectTls({ port: Number(url.port), host: '127.0.0.1', ca });
  await once(socket, 'secureConnect');
  socket.destroy();
  expect(await talk(server)).toBe(ended);
});

it('serves the next client with a certificate that has been renewed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-streams-'));
  resources.defer(() => rmSync(folder, { recursive: true }));
  const [certFile, keyFile] = [join(folder, 'cert'), join(folder, 'key')];
  const put = (name: string): void => {
    const pair = selfSign([name], { validFrom: new Date(), lifetimeMs: 1_000_000 });
    writeFileSync(certFile, pair.cert);
    writeFileSync(keyFile, pair.key);
  };
  put('old.example');
  const { server, logged } = await serve({ tls: { kind: 'files', certFile, keyFile } });
  const names = async () => {
    const { port } = new URL(server.urlFor(request));
    const socket = connectTls({ port: Number(port), host: '127.0.0.1', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const certificate: PeerCertificate = socket.getPeerCertificate();
    socket.destroy();
    return new X509Certificate(certificate.raw).subjectAltName;
  };
  expect(await names()).toBe('DNS:old.example');
  writeFileSync(certFile, 'spoilt');
  expect(await names()).toBe('DNS:old.example');
  await logged('use the certificate');
  put('new.example');
  expect(await names()).toBe('DNS:new.example');
});

it.each([
  ['a frame of another version', Buffer.from('80020001000000000000', 'hex'), 'its version is 2'],
  [
    'headers that are noise',
    controlFrame(1, uint32(1, 0), Buffer.alloc(2), Buffer.from('noise')),
    'unpack SPDY headers',
  ],
  ['a control frame beyond measure', Buffer.from('8003000100ffffff', 'hex'), '16777215 bytes'],
])('ends a SPDY session with a reason on %s, and goes on', async (_what, bytes, reason) => {
  const { server, logged } = await serve();
  const socket = await spdy(server.urlFor(request));
  socket.write(bytes);
  await once(socket.resume(), 'close');
  await logged(reason);
  expect(await talk(server)).toBe(ended);
});

it('ends a WebSocket session with a reason on a malformed frame, and goes on', async () => {
  const { server, logged } = await serve();
  const { pathname } = new URL(server.urlFor(request));
  const key = randomBytes(16).toString('base64');
  const socket = await raw(
    server.urlFor(request),
    `GET ${pathname} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  await once(socket, 'data');
  socket.write(Buffer.of(0xff, 0xff, 0xff));
  await once(socket.resume(), 'close');
  await logged('read a WebSocket frame');
  expect(await talk(server)).toBe(ended);
});

it('cuts off a client that floods it and reads nothing, and goes on', async () => {
  const { server, logged } = await serve();
  const socket = await spdy(server.urlFor(request));
  socket.pause();
  const pings = Buffer.concat(Array.from({ length: 10_000 }, () => controlFrame(6, uint32(1))));
  const { promise: closed, resolve } = Promise.withResolvers<unknown>();
  socket.once('close', resolve);
  const flood = (): void => {
    if (!socket.destroyed) socket.write(pings, () => setImmediate(flood));
  };
  flood();
  await closed;
  await logged('it has not read 1032 answers');
  expect(await talk(server)).toBe(ended);
});

it('ends a session in which nothing moves, with the reason', async () => {
  const { server, logged } = await serve({ idleTimeoutMs: 200 });
  for (const begin of [
    async () => spdy(server.urlFor(request)),
    async () => {
      const webSocket = new WebSocket(server.urlFor(request), 'v4.channel.k8s.io');
      webSocket.on('error', () => {});
      await once(webSocket, 'open');
      return webSocket;
    },
  ]) {
    await once(
      (await begin()).on('error', () => {}),
      'close',
    );
    await logged('nothing moved for 0.2 s');
  }
});

it('does not wait for an upgrade that comes in drops', async () => {
  const { server } = await serve();
  const begun = performance.now();
  const socket = await raw(server.urlFor(request), 'POST /exec/');
  const drops = setInterval(() => socket.write('x'), 500);
  resources.defer(() => clearInterval(drops));
  await once(socket.resume(), 'close');
  expect(performance.now() - begun).toBeLessThan(25_000);
});

it('refuses a request whose headers are too large', async () => {
  const { server } = await serve();
  const socket = await raw(
    server.urlFor(request),
    `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
  );
  expect(await text(socket)).toMatch(/^HTTP\/1.1 431 /);
  expect(await talk(server)).toBe(ended);
});

it('has no more than 1000 sessions at a time', async () => {
  const { server } = await serve();
  const sockets: Socket[] = [];
  for (let batch = 0; batch < 10; batch += 1) {
    const urls = Array.from({ length: 100 }, () => server.urlFor(request));
    sockets.push(...(await Promise.all(urls.map(spdy))));
  }
  const refused = await raw(server.urlFor(request));
  expect(await text(refused)).toMatch(/^HTTP\/1.1 503 .*too many sessions\n$/s);
  for (const socket of sockets) socket.destroy();
  const answer = async () => talk(server).catch(() => 'refused');
  await expect.poll(answer, { timeout: 10_000 }).toBe(ended);
});

it('cuts its sessions when it is closed, and waits for what they led to', async () => {
  let hasEnded = false;
  const { server } = await serve({
    targets: {
      ...targets,
      exec: async (...session) => {
        const exitCode = await targets.exec(...session);
        hasEnded = true;
        return exitCode;
      },
    },
  });
  const webSocket = new WebSocket(server.urlFor(request), 'v5.channel.k8s.io').on(
    'error',
    () => {},
  );
  await once(webSocket, 'open');
  webSocket.send(Buffer.from('\0hello'));
  await once(webSocket, 'message');
  const closed = once(webSocket, 'close');
  await server.close(5_000);
  expect(hasEnded).toBe(true);
  await closed;
});
