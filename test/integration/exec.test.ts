import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, openSync, closeSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { NamespaceMode } from '#api/cri/v1/types.ts';
import { execa } from 'execa';
import { describe, expect } from 'vitest';
import { crictlCommand, hasCrictl } from './harness/crictl.ts';
import { test } from './harness/fixture.ts';
import { processes } from './harness/leftovers.ts';
import type { Place } from './harness/place.ts';
import { containerConfig, createContainer, forever, runContainer, runPod } from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

const running = test.extend('containerId', async ({ daemon, busybox }) =>
  runContainer(daemon.cri, await runPod(daemon), containerConfig(busybox, forever)));

describe('Exec', () => {
  const request = { cmd: ['true'], stdout: true };

  running(
    'gives a URL on the loopback that is good for one use',
    async ({ daemon, containerId }) => {
      const { url } = await daemon.cri.exec({ ...request, containerId });
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/exec\/[\w-]{22}$/);
      expect((await fetch(url)).status).toBe(400);
      expect((await fetch(url)).status).toBe(404);
      expect((await fetch(new URL('/exec/unknown', url))).status).toBe(404);
    },
  );

  const refused = {
    'of no command': { cmd: [] },
    'of no stream': { stdout: false },
    'of a terminal and a stream for errors': { tty: true, stderr: true },
  };
  for (const [what, overrides] of Object.entries(refused)) {
    running(`${what} is an invalid argument`, async ({ daemon, containerId }) => {
      await expect(
        daemon.cri.exec({ ...request, containerId, ...overrides }),
      ).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    });
  }

  test('in a container that does not run is a failed precondition', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon);
    const containerId = await createContainer(daemon.cri, pod, containerConfig(busybox, forever));
    await expect(daemon.cri.exec({ ...request, containerId })).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
    });
  });
});

describe.skipIf(!hasCrictl).each(['spdy', 'websocket'])('crictl exec by %s', (transport) => {
  const execCommand = (place: Place, ...args: readonly string[]) =>
    crictlCommand(place, 'exec', `--transport=${transport}`, ...args);

  running('passes on both outputs and the exit code', async ({ daemon, containerId }) => {
    const script = 'echo out; echo err >&2; exit 7';
    const result = await execa(...execCommand(daemon.place, containerId, 'sh', '-c', script), {
      reject: false,
    });
    expect(result.stdout).toBe('out');
    expect(result.stderr).toMatch(/^err\n.*exit code 7/);
  });

  running('says why a command cannot be begun', async ({ daemon, containerId }) => {
    await expect(
      execa(...execCommand(daemon.place, containerId, 'no-such-program')),
    ).rejects.toThrow(/exec in container .*no-such-program/);
  });

  running('does not wait for what a command leaves behind', async ({ daemon, containerId }) => {
    const script = 'sleep 54321 & echo done';
    const { stdout } = await execa(...execCommand(daemon.place, containerId, 'sh', '-c', script));
    expect(stdout).toBe('done');
  });

  running('nor for one that goes on to write', async ({ daemon, containerId }) => {
    for (const left of ['while :; do echo; sleep 0.2; done', 'yes']) {
      const words = execCommand(daemon.place, containerId, 'sh', '-c', `(${left}) & echo done`);
      const { stdout } = await execa(...words, { timeout: 10_000 });
      expect(stdout).toContain('done');
    }
  });

  running('waits for a client that reads slowly', async ({ daemon, containerId }) => {
    const script = 'head -c 200000 /dev/zero; sleep 1000 &';
    const [crictl, args] = execCommand(daemon.place, containerId, 'sh', '-c', script);
    const slow = `${[crictl, ...args.slice(0, -1)].join(' ')} '${script}' | (sleep 3; wc -c)`;
    expect((await execa('sh', ['-c', slow])).stdout).toBe('200000');
  });

  running('carries 64 MiB in each direction', async ({ daemon, containerId }) => {
    const file = join(daemon.place.directory, 'bytes');
    const block = randomBytes(1 << 20);
    await writeFile(
      file,
      Array.from({ length: 64 }, (_, n) => Buffer.concat([block, Buffer.of(n)])),
    );
    const sent = createHash('sha256');
    for await (const chunk of createReadStream(file)) sent.update(chunk);
    const received = createHash('sha256');
    const cat = execa(...execCommand(daemon.place, '-i', containerId, 'cat'), {
      inputFile: file,
      buffer: false,
    });
    for await (const chunk of cat.iterable({ from: 'stdout', binary: true })) {
      received.update(chunk);
    }
    await cat;
    expect(received.digest('hex')).toBe(sent.digest('hex'));
  });

  running('ends a command whose client goes', async ({ daemon, containerId }) => {
    const { place } = daemon;
    const hasSleep = () => processes(place).some(({ command }) => command === 'sleep 65431');
    const script = 'setsid sleep 65431 & sleep 65431';
    const client = execa(...execCommand(place, containerId, 'sh', '-c', script), {
      reject: false,
    });
    await eventually('the command runs', hasSleep);
    client.kill('SIGKILL');
    await client;
    await eventually('no process is left', () => !hasSleep());
  });

  running(
    'ends a command that does not read when its client goes',
    async ({ daemon, containerId }) => {
      const { place } = daemon;
      const hasSleep = () => processes(place).some(({ command }) => command === 'sleep 65430');
      const [crictl, args] = execCommand(place, '-i', containerId, 'sleep', '65430');
      const zeros = openSync('/dev/zero', 'r');
      const client = spawn(crictl, args, { stdio: [zeros, 'ignore', 'inherit'] });
      closeSync(zeros);
      const ended = once(client, 'exit');
      await eventually('the command runs', hasSleep);
      const counts = [''];
      await eventually('the client can send no more', () => {
        counts.push(readFileSync(`/proc/${client.pid}/io`, 'utf8'));
        return counts.length > 20 && new Set(counts.slice(-20)).size === 1;
      });
      client.kill('SIGKILL');
      await ended;
      await eventually('no process is left', () => !hasSleep());
    },
  );

  running('leaves nothing open or lying about', async ({ daemon, containerId }) => {
    const { place, pid } = daemon;
    const open = () => readdirSync(`/proc/${pid}/fd`).length;
    const files = () => readdirSync(join(place.state, 'containers', containerId));
    const alive = () => processes(place).length;
    const run = async () => execa(...execCommand(place, containerId, 'true'));
    await run();
    const before = { open: open(), files: files(), alive: alive() };
    for (let round = 0; round < 40; round += 1) {
      await Promise.all([run(), run(), run(), run(), run()]);
    }
    // crictl's connections to the daemon end a little later than it does.
    await eventually('all is closed', () => open() <= before.open);
    expect(files()).toEqual(before.files);
    expect(alive()).toBe(before.alive);
  });

  for (const end of ['stop', 'kill'] as const) {
    running(`on a terminal ends with the daemon: ${end}`, async ({ daemon, containerId }) => {
      const { place } = daemon;
      const hasSleep = () => processes(place).some(({ command }) => command === 'sleep 65429');
      const words = execCommand(place, '-it', containerId, 'sleep', '65429').flat();
      const client = execa('script', ['-qec', words.join(' '), '/dev/null'], {
        reject: false,
        stdin: 'pipe',
        env: { TERM: 'xterm' },
      });
      await eventually('the command runs', hasSleep);
      await daemon[end]();
      await eventually('no process is left', () => !hasSleep());
      await client;
      await daemon.start();
    });
  }

  running(
    'without a terminal ends with the next daemon, after a kill',
    async ({ daemon, containerId }) => {
      const { place } = daemon;
      const hasSleep = () => processes(place).some(({ command }) => command === 'sleep 65428');
      const script = 'setsid sleep 65428 & sleep 65428';
      const client = execa(...execCommand(place, containerId, 'sh', '-c', script), {
        reject: false,
      });
      await eventually('the command runs', hasSleep);
      await daemon.kill();
      await client;
      expect(hasSleep()).toBe(true);
      await daemon.start();
      expect(hasSleep()).toBe(false);
      const files = readdirSync(join(place.state, 'containers', containerId));
      expect(files.filter((name) => name.startsWith('exec-'))).toEqual([]);
      const { stdout } = await execa(...execCommand(place, containerId, 'echo', 'goes on'));
      expect(stdout).toBe('goes on');
    },
  );

  test('ends with the container, also among the processes of the node', async ({
    daemon,
    busybox,
  }) => {
    const { place } = daemon;
    const namespaceOptions = { pid: NamespaceMode.NODE };
    const linux = { securityContext: { namespaceOptions } };
    const pod = await runPod(daemon, { linux });
    const config = containerConfig(busybox, { ...forever, linux });
    const containerId = await runContainer(daemon.cri, pod, config);
    const hasSleep = () => processes(place).some(({ command }) => command === 'sleep 65426');
    const script = 'setsid sleep 65426 & sleep 65426';
    const client = execa(...execCommand(place, containerId, 'sh', '-c', script), { reject: false });
    await eventually('the command runs', hasSleep);
    await daemon.cri.stopContainer({ containerId, timeout: 5 });
    await eventually('no process is left', () => !hasSleep());
    await client;
  });

  running('gives a terminal of the client’s size', async ({ daemon, containerId }) => {
    const [crictl, args] = execCommand(daemon.place, '-it', containerId, 'sh', '-c');
    const inner = 'tty; stty size; echo $TERM; exit 3';
    const words = [crictl, ...args, `'${inner}'`].join(' ');
    const result = await execa('script', ['-qec', `stty rows 33 cols 77; ${words}`, '/dev/null'], {
      reject: false,
      stdin: 'pipe',
      env: { TERM: 'xterm' },
    });
    expect(result.stdout.replaceAll('\r', '')).toContain('/dev/pts/0\n33 77\nxterm');
    expect(result.exitCode).not.toBe(0);
  });
});
