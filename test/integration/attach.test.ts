import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { status } from '@grpc/grpc-js';
import { execa } from 'execa';
import { describe, expect, onTestFinished } from 'vitest';
import type { ContainerConfig } from '#api/cri/v1/types.ts';
import type { Draft } from './harness/client.ts';
import { crictlCommand, hasCrictl } from './harness/crictl.ts';
import type { Daemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import {
  containerConfig,
  createContainer,
  exec,
  forever,
  logged,
  runContainer,
  runPod,
  sh,
  waitForExit,
} from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

/** Runs a container for the test. */
const running = test.extend('start', async ({ daemon, busybox }) => {
  return async (overrides: Draft<ContainerConfig>) =>
    runContainer(daemon.cri, await runPod(daemon), containerConfig(busybox, overrides));
});

type Client = {
  readonly process: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number>;
};

/** `crictl attach <args>` in the background; ends with the test. */
function attach({ place }: Daemon, ...args: readonly string[]): Client {
  const [path, words] = crictlCommand(place, 'attach', ...args);
  const process = spawn(path, words, { stdio: ['pipe', 'pipe', 'pipe'] });
  onTestFinished(() => void process.kill('SIGKILL'));
  process.stdin.on('error', () => {});
  let output = '';
  const keep = (stream: Readable) =>
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  keep(process.stdout);
  keep(process.stderr);
  return { process, output: () => output, ended: once(process, 'close').then(([code]) => code) };
}

/** Writes to a container until a client shows it, as one may be attached at any time. */
async function shows(client: Client, what: string, act?: () => Promise<unknown>): Promise<void> {
  await eventually(`a client shows "${what}": ${client.output()}`, async () => {
    await act?.();
    return client.output().includes(what);
  });
}

/** A process that can be talked to: `say WORD` into its fifo writes the word to its output. */
const talker = {
  command: sh(
    `trap 'exit 143' TERM; mkfifo /say; exec 3<>/say; while read -r word <&3; do echo "$word"; done`,
  ),
};
const say = (daemon: Daemon, containerId: string, word: string) =>
  exec(daemon.cri, containerId, `until [ -p /say ]; do sleep 0.02; done; echo ${word} > /say`);

const conmonPid = ({ place }: Daemon, containerId: string) =>
  Number(readFileSync(join(place.state, 'containers', containerId, 'conmon.pid'), 'utf8'));
/** Hundredths of a second that a process has worked. */
const cpuTicks = (pid: number) => {
  const [user = 0, system = 0] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .split(' ')
    .slice(13)
    .map(Number);
  return user + system;
};
const openFiles = (pid: number) => readdirSync(`/proc/${pid}/fd`).length;

describe('Attach', () => {
  running('gives a URL on the loopback that is good for one use', async ({ daemon, start }) => {
    const containerId = await start(forever);
    const { url } = await daemon.cri.attach({ containerId, stdout: true });
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/attach\/[\w-]{22}$/);
    expect((await fetch(url)).status).toBe(400);
    expect((await fetch(url)).status).toBe(404);
  });

  running(
    'of no stream, or of a terminal’s errors, is an invalid argument',
    async ({ daemon, start }) => {
      const containerId = await start(forever);
      for (const streams of [{}, { tty: true, stdout: true, stderr: true }]) {
        await expect(daemon.cri.attach({ containerId, ...streams })).rejects.toMatchObject({
          code: status.INVALID_ARGUMENT,
        });
      }
    },
  );

  running(
    'to a container that does not run is a failed precondition',
    async ({ daemon, busybox, start }) => {
      const pod = await runPod(daemon);
      const created = await createContainer(daemon.cri, pod, containerConfig(busybox, forever));
      const ended = await start({ command: ['true'] });
      await waitForExit(daemon.cri, ended);
      for (const [containerId = '', state] of [
        [created, 'created'],
        [ended, 'exited'],
      ]) {
        await expect(daemon.cri.attach({ containerId, stdout: true })).rejects.toMatchObject({
          code: status.FAILED_PRECONDITION,
          details: `attach to container "${containerId}": it is ${state}`,
        });
      }
    },
  );
});

describe.skipIf(!hasCrictl)('crictl attach', () => {
  running('shows several clients the same, and is left without harm', async ({ daemon, start }) => {
    const containerId = await start(talker);
    const [first, second] = [attach(daemon, containerId), attach(daemon, containerId)];
    for (const client of [first, second]) {
      await shows(client, 'hello', () => say(daemon, containerId, 'hello'));
    }
    first.process.kill('SIGKILL');
    await first.ended;
    await say(daemon, containerId, 'goodbye');
    await shows(second, 'goodbye');
    expect(first.output()).not.toContain('goodbye');
  });

  running(
    'shows both outputs to their ends, and ends with the container',
    async ({ daemon, start }) => {
      const script = 'read -r _; seq 20000; echo problem >&2; seq 20001 40000; exit 3';
      const containerId = await start({ command: sh(script), stdin: true, stdinOnce: true });
      const client = spawn(...crictlCommand(daemon.place, 'attach', '-i', containerId));
      client.stdin.write('go\n');
      const [out, errors, [exitCode]] = await Promise.all([
        text(client.stdout),
        text(client.stderr),
        once(client, 'close'),
      ]);
      const numbers = Array.from({ length: 40000 }, (_, n) => `${n + 1}\n`);
      expect(out).toBe(numbers.join(''));
      expect(errors).toBe('problem\n');
      expect(exitCode).toBe(0);
    },
  );

  for (const transport of ['spdy', 'websocket']) {
    running(`carries 64 MiB in each direction over ${transport}`, async ({ daemon, start }) => {
      const containerId = await start({
        command: ['cat'],
        stdin: true,
        stdinOnce: true,
        logPath: '',
      });
      const client = spawn(
        ...crictlCommand(daemon.place, 'attach', '-i', '-r', transport, containerId),
      );
      const [sent, received] = [createHash('sha256'), createHash('sha256')];
      const feed = async () => {
        const block = randomBytes(1 << 20);
        for (let n = 0; n < 64; n += 1) {
          block.writeUInt32LE(n);
          const bytes = Buffer.from(block);
          sent.update(bytes);
          if (!client.stdin.write(bytes)) await once(client.stdin, 'drain');
        }
        client.stdin.end();
      };
      const fed = feed();
      for await (const chunk of client.stdout) received.update(chunk);
      await fed;
      expect(received.digest('hex')).toBe(sent.digest('hex'));
    });
  }

  running('ends a stdin that is for one client with that client', async ({ daemon, start }) => {
    const script = 'while read -r line; do echo "got $line"; done; echo end';
    const containerId = await start({ command: sh(script), stdin: true, stdinOnce: true });
    const watcher = attach(daemon, containerId);
    const typist = attach(daemon, '-i', containerId);
    typist.process.stdin?.write('one\n');
    await shows(typist, 'got one');
    watcher.process.kill('SIGKILL');
    await watcher.ended;
    typist.process.stdin?.end('two\n');
    expect(await typist.ended).toBe(0);
    expect(typist.output()).toBe('got one\ngot two\nend\n');
  });

  running('ends such a stdin when its client is gone as well', async ({ daemon, start }) => {
    const containerId = await start({ command: ['cat'], stdin: true, stdinOnce: true });
    const typist = attach(daemon, '-i', containerId);
    typist.process.stdin?.write('one\n');
    await shows(typist, 'one');
    typist.process.kill('SIGKILL');
    expect((await waitForExit(daemon.cri, containerId)).exitCode).toBe(0);
  });

  running('leaves another stdin open for the next client', async ({ daemon, start }) => {
    const containerId = await start({ command: ['cat'], stdin: true });
    for (const word of ['one', 'two']) {
      const typist = attach(daemon, '-i', containerId);
      typist.process.stdin?.end(`${word}\n`);
      await shows(typist, word);
      typist.process.kill('SIGKILL');
      await typist.ended;
    }
  });

  running('drops input for a container without stdin', async ({ daemon, start }) => {
    const containerId = await start(talker);
    const client = attach(daemon, '-i', containerId);
    client.process.stdin?.end(Buffer.alloc(8 << 20));
    await once(client.process.stdin as never, 'finish');
    await shows(client, 'hello', () => say(daemon, containerId, 'hello'));
  });

  running(
    'lets the monitor rest when a container has closed its stdin',
    async ({ daemon, start }) => {
      const script = `trap 'exit 143' TERM; read -r line; echo "got $line"; exec < /dev/null
      mkfifo /say; exec 3<>/say; while read -r word <&3; do echo "$word"; done`;
      const containerId = await start({ command: sh(script), stdin: true });
      const client = attach(daemon, '-i', containerId);
      client.process.stdin?.write('one\n');
      await shows(client, 'got one');
      client.process.stdin?.end(Buffer.alloc(8 << 20));
      await once(client.process.stdin as never, 'finish');
      const monitor = conmonPid(daemon, containerId);
      const ticks = cpuTicks(monitor);
      for (const word of ['two', 'three', 'four', 'five', 'six']) {
        await shows(client, word, () => say(daemon, containerId, word));
      }
      expect(cpuTicks(monitor) - ticks).toBeLessThan(10);
    },
  );

  running('changes the size of a terminal', async ({ daemon, start }) => {
    const script = `trap 'exit 143' TERM; while :; do read -r line && echo "<$line>"; done`;
    const containerId = await start({ command: sh(script), stdin: true, tty: true });
    const [crictl, args] = crictlCommand(daemon.place, 'attach', '-it', containerId);
    const command = ['stty rows 33 cols 77;', crictl, ...args].join(' ');
    const client = execa('script', ['-qec', command, '/dev/null'], {
      reject: false,
      stdin: 'pipe',
      env: { TERM: 'xterm' },
    });
    onTestFinished(() => void client.kill('SIGKILL'));
    let shown = '';
    client.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()));
    await eventually('the size arrives', async () =>
      (await exec(daemon.cri, containerId, 'stty size < /proc/1/fd/0')).stdout.includes('33 77'),
    );
    client.stdin.write('word\n');
    await eventually('what is typed arrives', () => shown.includes('<word>'));
  });

  running('cuts off a client that does not read, and nobody else', async ({ daemon, start }) => {
    const script = `while read -r line && [ "$line" != go ]; do echo "$line"; done
      seq 3000000; echo done; while :; do sleep 1000 & wait; done`;
    const containerId = await start({ command: sh(script), stdin: true });
    const sleeper = attach(daemon, containerId);
    const reader = attach(daemon, '-i', containerId);
    await shows(sleeper, 'hello', async () => reader.process.stdin?.write('hello\n'));
    sleeper.process.kill('SIGSTOP');
    reader.process.stdin?.write('go\n');
    await eventually(
      'the reader has got it all',
      () => reader.output().endsWith('\ndone\n'),
      50_000,
    );
    expect(reader.output().match(/^[0-9]+$/gm)?.length).toBe(3_000_000);
    await logged(daemon.cri, containerId, 'done');
    sleeper.process.kill('SIGCONT');
    expect(await sleeper.ended).not.toBe(0);
    expect(sleeper.output()).toContain('its client did not read');
    expect(reader.process.exitCode).toBeNull();
  });

  for (const end of ['stop', 'kill'] as const) {
    running(`goes on with the next daemon: ${end}`, async ({ daemon, start }) => {
      const script = 'while read -r line; do echo "got $line"; done; echo end';
      const containerId = await start({ command: sh(script), stdin: true });
      const before = attach(daemon, '-i', containerId);
      before.process.stdin?.write('one\n');
      await shows(before, 'got one');
      await daemon[end]();
      await before.ended;
      await daemon.start();
      const after = attach(daemon, '-i', containerId);
      after.process.stdin?.write('two\n');
      await shows(after, 'got two');
      await logged(daemon.cri, containerId, 'got two');
    });
  }

  running('does not wait for a stdin that ended with the daemon', async ({ daemon, start }) => {
    const script = 'cat; echo end; while :; do sleep 1000 & wait; done';
    const containerId = await start({ command: sh(script), stdin: true, stdinOnce: true });
    const before = attach(daemon, '-i', containerId);
    before.process.stdin?.write('one\n');
    await shows(before, 'one');
    await daemon.kill();
    await before.ended;
    await daemon.start();
    await logged(daemon.cri, containerId, 'end');
    const after = attach(daemon, '-i', containerId);
    after.process.stdin?.end(Buffer.alloc(8 << 20));
    await once(after.process.stdin as never, 'finish');
  });

  running('says that a monitor is gone', async ({ daemon, start }) => {
    const containerId = await start({ ...forever, stdin: true });
    process.kill(conmonPid(daemon, containerId), 'SIGKILL');
    for (const flags of [[], ['-i']]) {
      const client = attach(daemon, ...flags, containerId);
      expect(await client.ended).not.toBe(0);
      expect(client.output()).toMatch(/attach to container .*: connect to its monitor/);
    }
  });

  running('leaves nothing open, in the daemon or the monitor', async ({ daemon, start }) => {
    const containerId = await start({ command: ['cat'], stdin: true });
    const visit = async (word: string) => {
      const client = attach(daemon, '-i', containerId);
      client.process.stdin?.write(`${word}\n`);
      await shows(client, word);
      client.process.kill('SIGKILL');
      await client.ended;
    };
    await visit('first');
    const monitor = conmonPid(daemon, containerId);
    const before = [openFiles(daemon.pid), openFiles(monitor)];
    for (let n = 0; n < 10; n += 1) await visit(`visit-${n}`);
    await eventually('all is closed', () => openFiles(daemon.pid) <= (before[0] ?? 0));
    expect(openFiles(monitor)).toBeLessThanOrEqual((before[1] ?? 0) + 1);
  });
});
