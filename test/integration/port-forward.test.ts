import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { NamespaceMode } from '#api/cri/v1/types.ts';
import { describe, expect } from 'vitest';
import type { Daemon } from './harness/daemon.ts';
import { crictlCommand, hasCrictl } from './harness/crictl.ts';
import { test } from './harness/fixture.ts';
import { type Pod, runPod } from './harness/pods.ts';

/** `crictl port-forward` while it runs: connections to `port` here end at `target` in the pod. */
async function forwardBy(
  { place }: Daemon,
  pod: Pod,
  { transport, target }: { readonly transport: string; readonly target: number },
) {
  const words = [`--transport=${transport}`, pod.id, `:${target}`];
  const [crictl, args] = crictlCommand(place, 'port-forward', ...words);
  const client = spawn(crictl, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(client, 'exit');
  const gone = ended.then(() => Promise.reject(new Error('crictl has ended')));
  const [line] = await Promise.race([once(client.stdout.setEncoding('utf8'), 'data'), gone]);
  gone.catch(() => {});
  client.stdout.resume();
  return {
    port: Number(/127\.0\.0\.1:(\d+) ->/.exec(line)?.[1]),
    [Symbol.asyncDispose]: async () => {
      client.kill('SIGKILL');
      await ended;
    },
  };
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
}

/** Sends all, ends its half, and returns what came back until the end. */
async function exchange(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = await open(port);
  const [answer] = await Promise.all([
    buffer(socket),
    new Promise<void>((done) => socket.end(bytes, done)),
  ]);
  return answer;
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const echo = `require('node:net')
  .createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket))
  .listen(7, process.argv[1], () => console.log('listening'))`;

/** A pod in whose network `address` gives back at port 7 what it is sent. */
async function runEcho(daemon: Daemon, address: string) {
  const pod = await runPod(daemon);
  const netns = join(daemon.place.state, 'sandboxes', pod.id, 'net');
  const command = [`--net=${netns}`, process.execPath, '-e', echo, address];
  const server = spawn('nsenter', command, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(server, 'exit');
  await once(server.stdout, 'data');
  return { pod, [Symbol.asyncDispose]: async () => void (server.kill(), await ended) };
}

describe.skipIf(!hasCrictl).each(['spdy', 'websocket'])(
  'crictl port-forward by %s',
  (transport) => {
    const forward = async (daemon: Daemon, pod: Pod, target: number) =>
      forwardBy(daemon, pod, { transport, target });

    test('carries many connections with ends of their own', async ({ daemon }) => {
      await using server = await runEcho(daemon, '127.0.0.1');
      await using forwarded = await forward(daemon, server.pod, 7);
      const messages = Array.from({ length: 20 }, (_, n) => randomBytes(1000 * n + 1));
      const answers = await Promise.all(messages.map(async (it) => exchange(forwarded.port, it)));
      expect(answers).toEqual(messages);
    });

    test('carries 64 MiB in each direction', async ({ daemon }) => {
      await using server = await runEcho(daemon, '127.0.0.1');
      await using forwarded = await forward(daemon, server.pod, 7);
      const bytes = randomBytes(64 << 20);
      const answer = await exchange(forwarded.port, bytes);
      expect(digest(answer)).toBe(digest(bytes));
    });

    test('reaches a server on IPv6 alone', async ({ daemon }) => {
      await using server = await runEcho(daemon, '::1');
      await using forwarded = await forward(daemon, server.pod, 7);
      expect((await exchange(forwarded.port, Buffer.from('six'))).toString()).toBe('six');
    });

    test('closes a connection to a port that nobody serves, and goes on', async ({ daemon }) => {
      await using server = await runEcho(daemon, '127.0.0.1');
      await using forwarded = await forward(daemon, server.pod, 8);
      expect(await exchange(forwarded.port, Buffer.from('anybody?'))).toHaveLength(0);
      await daemon.cri.version({});
    });

    test('goes on after a server that ends first', async ({ daemon }) => {
      const pod = await runPod(daemon, {
        linux: { securityContext: { namespaceOptions: { network: NamespaceMode.NODE } } },
      });
      const answer = randomBytes(100_000);
      const server = createServer((socket) => socket.on('error', () => {}).end(answer));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      try {
        const { port } = server.address() as { port: number };
        await using forwarded = await forward(daemon, pod, port);
        for (let round = 0; round < 3; round += 1) {
          const socket = await open(forwarded.port);
          expect(await buffer(socket)).toEqual(answer);
          socket.end();
        }
      } finally {
        server.close();
      }
    });

    test('goes on after a server that resets its connections', async ({ daemon }) => {
      const pod = await runPod(daemon, {
        linux: { securityContext: { namespaceOptions: { network: NamespaceMode.NODE } } },
      });
      const server = createServer((socket) => {
        socket.on('error', () => {}).once('data', () => socket.resetAndDestroy());
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      try {
        const { port } = server.address() as { port: number };
        await using forwarded = await forward(daemon, pod, port);
        for (let round = 0; round < 3; round += 1) {
          expect(await exchange(forwarded.port, Buffer.from('reset me'))).toHaveLength(0);
        }
      } finally {
        server.close();
      }
    });

    test('reaches the node’s loopback from a pod on the node’s network', async ({ daemon }) => {
      const pod = await runPod(daemon, {
        linux: { securityContext: { namespaceOptions: { network: NamespaceMode.NODE } } },
      });
      const server = createServer((socket) => socket.end('the node'));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      try {
        const { port } = server.address() as { port: number };
        await using forwarded = await forward(daemon, pod, port);
        expect((await exchange(forwarded.port, Buffer.alloc(0))).toString()).toBe('the node');
      } finally {
        server.close();
      }
    });
  },
);
