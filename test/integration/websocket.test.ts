import { Attach, Exec, PortForward, type V1Status } from '@kubernetes/client-node';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { NamespaceMode } from '#api/cri/v1/types.ts';
import { execa } from 'execa';
import { describe, expect } from 'vitest';
import { WebSocket } from 'ws';
import { startFront } from './harness/api-front.ts';
import { crictlCommand, hasCrictl } from './harness/crictl.ts';
import { type Daemon, startDaemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import { processes } from './harness/leftovers.ts';
import { containerConfig, forever, runContainer, runPod, sh } from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

const running = test.extend('containerId', async ({ daemon, busybox }) =>
  runContainer(daemon.cri, await runPod(daemon), containerConfig(busybox, forever)));

type Request = Parameters<Daemon['cri']['exec']>[0];

type Client = {
  readonly webSocket: WebSocket;
  /** What has come so far on each channel, by its number. */
  readonly said: Readonly<Record<string, string>>;
  readonly closed: Promise<unknown>;
};

/** Listens from the start: the first message may come with the answer to the handshake. */
async function open(url: string, protocols: readonly string[], options = {}): Promise<Client> {
  const webSocket = new WebSocket(url, [...protocols], options).on('error', () => {});
  const said: Record<string, string> = {};
  webSocket.on('message', (message: Buffer) => {
    const isText = webSocket.protocol.includes('base64');
    const channel = isText ? message.toString('latin1', 0, 1) : `${message[0]}`;
    const bytes = isText
      ? Buffer.from(message.toString('latin1', 1), 'base64')
      : message.subarray(1);
    said[channel] = (said[channel] ?? '') + bytes.toString();
  });
  const closed = once(webSocket, 'close');
  await once(webSocket, 'open');
  return { webSocket, said, closed };
}

describe('exec by WebSocket', () => {
  const script = 'echo out; echo err >&2; exit 7';
  const status = {
    metadata: {},
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: 'command terminated with non-zero exit code: 7',
    details: { causes: [{ reason: 'ExitCode', message: '7' }] },
  };
  const old = 'command terminated with non-zero exit code: 7';
  for (const [protocol, last] of [
    ['v5.channel.k8s.io', JSON.stringify(status)],
    ['v4.channel.k8s.io', JSON.stringify(status)],
    ['v4.base64.channel.k8s.io', JSON.stringify(status)],
    ['base64.channel.k8s.io', old],
    ['v3.channel.k8s.io', old],
    ['channel.k8s.io', old],
    ['', old],
  ] as const) {
    running(`speaks "${protocol}"`, async ({ daemon, containerId }) => {
      const request: Request = { containerId, cmd: sh(script), stdout: true, stderr: true };
      const { url } = await daemon.cri.exec(request);
      const { webSocket, said, closed } = await open(url, protocol === '' ? [] : [protocol]);
      expect(webSocket.protocol).toBe(protocol);
      await closed;
      expect(said).toEqual({ 1: 'out\n', 2: 'err\n', 3: last });
    });
  }

  running('ends a command’s input at the sign for it', async ({ daemon, containerId }) => {
    const request: Request = { containerId, cmd: ['cat'], stdin: true, stdout: true };
    const { url } = await daemon.cri.exec(request);
    const { webSocket, said, closed } = await open(url, ['v5.channel.k8s.io']);
    webSocket.send(Buffer.from('\0hello'));
    webSocket.send(Buffer.of(255, 0));
    await closed;
    expect(said).toMatchObject({ 1: 'hello' });
  });

  running('resizes a terminal', async ({ daemon, containerId }) => {
    const waiting = 'trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.1; done';
    const request: Request = {
      containerId,
      cmd: sh(waiting),
      tty: true,
      stdin: true,
      stdout: true,
    };
    const { url } = await daemon.cri.exec(request);
    const { webSocket, said, closed } = await open(url, ['v4.channel.k8s.io']);
    await eventually('the command waits', () => said['1']?.includes('ready'));
    webSocket.send(Buffer.from('\x04{"Width":91,"Height":19}'));
    await closed;
    expect(said['1']).toContain('19 91');
  });

  running(
    'ends commands whose clients go before these have begun',
    async ({ daemon, containerId }) => {
      const { place } = daemon;
      for (let round = 0; round < 20; round += 1) {
        const request: Request = { containerId, cmd: ['sleep', '65427'], stdout: true };
        const { url } = await daemon.cri.exec(request);
        const { webSocket } = await open(url, ['v5.channel.k8s.io']);
        // Somewhere between the request and the command.
        for (let turn = 0; turn < round * 20; turn += 1) await new Promise(setImmediate);
        webSocket.terminate();
      }
      const left = () => processes(place).filter(({ command }) => /65427|crun.*exec/.test(command));
      await eventually('no process is left', () => left().length === 0);
      const files = () => readdirSync(join(place.state, 'containers', containerId));
      await eventually('no file is left', () => !files().some((name) => name.startsWith('exec-')));
    },
  );

  running('costs little when a client does not read', async ({ daemon, containerId }) => {
    const rss = () =>
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1]);
    const clients: WebSocket[] = [];
    const before = rss();
    for (let count = 0; count < 8; count += 1) {
      const request: Request = { containerId, cmd: ['cat', '/dev/zero'], stdout: true };
      const { url } = await daemon.cri.exec(request);
      const { webSocket } = await open(url, ['v5.channel.k8s.io']);
      webSocket.pause();
      clients.push(webSocket);
    }
    // Others are served meanwhile.
    const { stdout } = await daemon.cri.execSync({ containerId, cmd: ['echo', 'well'] });
    expect(stdout.toString()).toBe('well\n');
    expect(rss() - before).toBeLessThan(48 * 1024);
    for (const webSocket of clients) webSocket.terminate();
    const hasCat = () => processes(daemon.place).some(({ command }) => command === 'cat /dev/zero');
    await eventually('the commands end', () => !hasCat());
  });
});

describe('a client of Kubernetes', () => {
  running(
    'runs a command with input, and learns its exit code',
    async ({ daemon, containerId }) => {
      await using front = await startFront(async (_path, query) => {
        const cmd = query.getAll('command');
        return (
          await daemon.cri.exec({ containerId, cmd, stdin: true, stdout: true, stderr: true })
        ).url;
      });
      const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
      const { promise: status, resolve } = Promise.withResolvers<V1Status>();
      const command = ['sh', '-c', 'cat; echo err >&2; exit 3'];
      const exec = new Exec(front.kube);
      await exec.exec(
        'default',
        'pod',
        'container',
        command,
        stdout,
        stderr,
        stdin,
        false,
        resolve,
      );
      const outputs = Promise.all([text(stdout), text(stderr)]);
      stdin.end('hello');
      expect(await outputs).toEqual(['hello', 'err\n']);
      expect(await status).toMatchObject({
        reason: 'NonZeroExitCode',
        details: { causes: [{ message: '3' }] },
      });
    },
  );

  test('attaches to a container', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon);
    const echo = { command: sh('while read line; do echo "got $line"; done'), stdin: true };
    const containerId = await runContainer(daemon.cri, pod, containerConfig(busybox, echo));
    await using front = await startFront(
      async () =>
        (await daemon.cri.attach({ containerId, stdin: true, stdout: true, stderr: true })).url,
    );
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    const attach = new Attach(front.kube);
    const webSocket = await attach.attach('default', 'pod', 'c', stdout, stderr, stdin, false);
    stdin.write('hello\n');
    const [line] = await once(stdout, 'data');
    expect(line.toString()).toBe('got hello\n');
    webSocket.close();
  });

  test('forwards a port', async ({ daemon }) => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.once('data', (bytes) => socket.end(`got ${bytes.toString()}`));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      const namespaceOptions = { network: NamespaceMode.NODE };
      const pod = await runPod(daemon, { linux: { securityContext: { namespaceOptions } } });
      await using front = await startFront(
        async (_path, query) =>
          (
            await daemon.cri.portForward({
              podSandboxId: pod.id,
              port: query.getAll('ports').map(Number),
            })
          ).url,
      );
      const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()];
      const forward = new PortForward(front.kube);
      const webSocket = await forward.portForward('default', 'pod', [port], output, errors, input);
      if (typeof webSocket === 'function') throw new Error('there is one connection');
      const closed = new Promise((done) => webSocket.addEventListener('close', done));
      input.write('hello');
      await closed;
      output.end();
      expect((await buffer(output)).toString()).toBe('got hello');
    } finally {
      server.close();
    }
  });
});

describe.skipIf(!hasCrictl)('TLS', () => {
  test('protects sessions, with a certificate that is published', async ({ busybox }) => {
    await using daemon = await startDaemon({
      extraConfig: '[streaming]\nlisten = "0.0.0.0:0"\ntls = true\n',
    });
    await daemon.cri.pullImage({ image: { image: busybox } });
    const pod = await runPod(daemon);
    const containerId = await runContainer(daemon.cri, pod, containerConfig(busybox, forever));
    const request: Request = { containerId, cmd: ['echo', 'hello'], stdout: true };
    const { url } = await daemon.cri.exec(request);
    expect(url).toMatch(/^https:\/\/127\.0\.0\.1:/);
    const ca = readFileSync(join(daemon.place.state, 'streaming.crt'));
    const { said, closed } = await open(url, ['v5.channel.k8s.io'], { ca });
    await closed;
    expect(said).toMatchObject({ 1: 'hello\n' });
    for (const transport of ['spdy', 'websocket']) {
      const words = ['exec', `--transport=${transport}`, containerId, 'echo', 'hello'];
      const { stdout } = await execa(...crictlCommand(daemon.place, ...words));
      expect(stdout).toBe('hello');
    }
  });
});
