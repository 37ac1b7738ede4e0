import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { execa } from 'execa';
import { describe, expect, onTestFinished } from 'vitest';
import type { Daemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import { gantry, gantryOutcome, launcher } from './harness/gantry.ts';
import {
  containerConfig,
  containerStatus,
  createContainer,
  exec,
  forever,
  logged,
  readLog,
  runContainer,
  runPod,
  runToEnd,
  sh,
  waitForExit,
} from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

/** `gantry logs <args>`, which knows of the daemon's folders. */
const logs = (daemon: Daemon, ...args: readonly string[]) =>
  gantry(daemon.place, '--config', daemon.place.config, 'logs', ...args);

/** `gantry logs -f`; ends with the test. */
function follow({ place }: Daemon, ...args: readonly string[]) {
  const client = spawn(launcher, ['--config', place.config, 'logs', '-f', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void client.kill('SIGKILL'));
  const lines: string[] = [];
  createInterface(client.stdout).on('line', (line) => lines.push(line));
  const ended = once(client, 'close').then(([code]) => code);
  return { lines, ended };
}

/** Rotates a log as kubelet does: `n` is the second of the day. */
async function rotate(daemon: Daemon, containerId: string, n: number): Promise<string> {
  const { logPath } = await containerStatus(daemon.cri, containerId);
  const rotated = `${logPath}.20260102-${String(n).padStart(6, '0')}`;
  renameSync(logPath, rotated);
  await daemon.cri.reopenContainerLog({ containerId });
  return rotated;
}

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, n) => `${from + n}`);

describe('the log', () => {
  test('has long lines in parts that make them up', async ({ daemon, busybox }) => {
    const script =
      'head -c 100000 /dev/zero | tr "\\0" x; echo; head -c 8192 /dev/zero | tr "\\0" y; echo';
    const config = containerConfig(busybox, { command: sh(script) });
    const { status: ended, stdout } = await runToEnd(daemon.cri, await runPod(daemon), config);
    expect(stdout).toBe(`${'x'.repeat(100_000)}\n${'y'.repeat(8192)}\n`);
    const lines = await readLog(ended.logPath);
    expect(lines.at(0)?.tag).toBe('P');
    expect(lines.filter(({ tag }) => tag === 'F').length).toBe(2);
    expect(await logs(daemon, ended.id)).toBe(stdout.trimEnd());
  });

  test('loses and doubles nothing while it is rotated', async ({ daemon, busybox }) => {
    const script = `trap 'exit 143' TERM; n=0; while [ ! -e /stop ]; do n=$((n+1)); echo $n; done; echo end`;
    const pod = await runPod(daemon);
    const id = await runContainer(
      daemon.cri,
      pod,
      containerConfig(busybox, { command: sh(script) }),
    );
    const follower = follow(daemon, id);
    await logged(daemon.cri, id, '1000');
    const rotated: string[] = [];
    for (let n = 0; n < 8; n += 1) {
      const before = follower.lines.length;
      rotated.push(await rotate(daemon, id, n));
      await eventually('there is more', () => follower.lines.length > before + 1000);
    }
    // kubelet compresses all but the latest one.
    for (const path of rotated.slice(0, -1)) {
      writeFileSync(`${path}.gz.tmp`, gzipSync(await readFile(path)));
      renameSync(`${path}.gz.tmp`, `${path}.gz`);
      await execa('rm', [path]);
    }
    await exec(daemon.cri, id, 'touch /stop');
    await waitForExit(daemon.cri, id);
    expect(await follower.ended).toBe(0);
    expect(follower.lines.at(-1)).toBe('end');
    const expected = [...numbers(1, follower.lines.length - 1), 'end'];
    expect(follower.lines).toEqual(expected);
    expect((await logs(daemon, id)).split('\n')).toEqual(expected);
    expect((await logs(daemon, '--tail', '50000', id)).split('\n')).toEqual(
      expected.slice(-50_000),
    );
  });

  test('stays when it is opened anew in its place', async ({ daemon, busybox }) => {
    const script = `trap 'exit 143' TERM; mkfifo /say; exec 3<>/say; echo ready; while read -r word <&3; do echo "$word"; done`;
    const id = await runContainer(
      daemon.cri,
      await runPod(daemon),
      containerConfig(busybox, { command: sh(script) }),
    );
    const { logPath } = await logged(daemon.cri, id, 'ready');
    await daemon.cri.reopenContainerLog({ containerId: id });
    await exec(daemon.cri, id, 'echo more > /say');
    await logged(daemon.cri, id, 'more');
    expect((await readLog(logPath)).map(({ text }) => text)).toEqual(['ready', 'more']);
  });

  test('goes on where it is when its folder is gone as it is opened anew', async ({
    daemon,
    busybox,
  }) => {
    const script = `trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; echo more; done`;
    const pod = await runPod(daemon);
    const id = await runContainer(
      daemon.cri,
      pod,
      containerConfig(busybox, { command: sh(script) }),
    );
    const { logPath } = await logged(daemon.cri, id, 'ready');
    renameSync(dirname(logPath), `${dirname(logPath)}.away`);
    await expect(daemon.cri.reopenContainerLog({ containerId: id })).rejects.toMatchObject({
      details: expect.stringMatching(/^reopen the log of container .*: ENOENT: .*\.log\.tmp'$/),
    });
    renameSync(`${dirname(logPath)}.away`, dirname(logPath));
    renameSync(logPath, `${logPath}.old`);
    await execa('mkfifo', [`${logPath}.tmp`]);
    await expect(daemon.cri.reopenContainerLog({ containerId: id })).rejects.toThrow('ENXIO');
    rmSync(`${logPath}.tmp`);
    await daemon.cri.reopenContainerLog({ containerId: id });
    await logged(daemon.cri, id, 'more');
    await daemon.cri.stopContainer({ containerId: id, timeout: 10 });
    expect((await waitForExit(daemon.cri, id)).exitCode).toBe(7);
    expect(readdirSync(dirname(logPath))).not.toContain(`${basename(logPath)}.tmp`);
  });

  test('is not made without a path or a folder for it', async ({ daemon, busybox }) => {
    const script = { command: sh(`echo hello; ${forever.command.at(-1)}`) };
    for (const [logDirectory, logPath] of [
      ['', 'a.log'],
      [join(daemon.place.directory, 'none'), ''],
    ] as const) {
      const pod = await runPod(daemon, { logDirectory });
      const id = await runContainer(
        daemon.cri,
        pod,
        containerConfig(busybox, { ...script, logPath }),
      );
      expect((await containerStatus(daemon.cri, id)).logPath).toBe('');
      await daemon.cri.reopenContainerLog({ containerId: id });
      expect(await gantryOutcome(daemon.place, 'logs', id)).toMatchObject({
        exitCode: 1,
        stderr: `gantry: "${id}" has no log: none was asked for`,
      });
    }
  });

  test('is refused where the monitor cannot write it', async ({ daemon, busybox }) => {
    const config = containerConfig(busybox, { ...forever, logPath: 'a:b.log' });
    await expect(createContainer(daemon.cri, await runPod(daemon), config)).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('a colon cannot be in it'),
    });
  });

  test('does not hold up a container when its disk is full', async ({ daemon, busybox }) => {
    const logDirectory = join(daemon.place.directory, 'small');
    mkdirSync(logDirectory);
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', logDirectory]);
    await using _mounted = {
      [Symbol.asyncDispose]: async () => void (await execa('umount', ['-l', logDirectory])),
    };
    const script = `trap 'exit 143' TERM; mkfifo /say; exec 3<>/say; seq 200000; touch /done
      while read -r word <&3; do echo "$word"; done`;
    const pod = await runPod(daemon, { logDirectory });
    const id = await runContainer(
      daemon.cri,
      pod,
      containerConfig(busybox, { command: sh(script) }),
    );
    await eventually(
      'all is written',
      async () => (await exec(daemon.cri, id, 'ls /done')).exitCode === 0,
    );
    const { logPath } = await containerStatus(daemon.cri, id);
    expect(statSync(logPath).size).toBeLessThanOrEqual(64 * 1024);
    const shown = (await logs(daemon, id)).split('\n');
    expect(shown.slice(0, 100)).toEqual(numbers(1, 100));
    await execa('mount', ['-o', 'remount,size=1m', logDirectory]);
    for (const word of ['room', 'again']) {
      await exec(daemon.cri, id, `until [ -p /say ]; do sleep 0.02; done; echo ${word} > /say`);
      const hasWord = () => readFileSync(logPath, 'utf8').endsWith(` F ${word}\n`);
      await eventually(`"${word}" is written`, hasWord);
    }
  });
});

describe('gantry logs', () => {
  const pair = test.extend('pair', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon);
    const speak = (name: string, script: string) =>
      containerConfig(busybox, {
        metadata: { name, attempt: 0 },
        logPath: `${name}/0.log`,
        command: sh(script),
      });
    const talk = `trap 'exit 143' TERM; mkfifo /say; exec 3<>/say; while read -r word <&3; do echo "$word"; done`;
    const first = await runContainer(daemon.cri, pod, speak('app', talk));
    const second = await runContainer(daemon.cri, pod, speak('sidecar', talk));
    const say = async (id: string, word: string) => {
      await exec(daemon.cri, id, `until [ -p /say ]; do sleep 0.02; done; echo ${word} > /say`);
      await logged(daemon.cri, id, word);
    };
    for (const n of [1, 2, 3]) {
      await say(first, `app-${n}`);
      await say(second, `sidecar-${n}`);
    }
    return { pod, name: pod.config.metadata?.name ?? '', first, second, say };
  });

  pair(
    'merges the logs of a pod, and knows its containers by many names',
    async ({ daemon, pair: it }) => {
      const merged = [1, 2, 3].flatMap((n) => [`app     | app-${n}`, `sidecar | sidecar-${n}`]);
      for (const name of [it.name, `default/${it.name}`, it.pod.id, it.pod.id.slice(0, 12)]) {
        expect((await logs(daemon, name)).split('\n')).toEqual(merged);
      }
      for (const name of [`${it.name}/app`, it.first, it.first.slice(0, 12)]) {
        expect(await logs(daemon, name)).toBe('app-1\napp-2\napp-3');
      }
      expect((await logs(daemon, '--tail', '1', it.name)).split('\n')).toEqual(merged.slice(-2));
      expect(await gantryOutcome(daemon.place, 'logs', 'nobody')).toMatchObject({
        exitCode: 1,
        stderr: 'gantry: there is no container "nobody"',
      });
      expect((await gantryOutcome(daemon.place, 'logs', '--tail', 'x', it.name)).exitCode).toBe(2);
    },
  );

  pair('tells times, and begins at one', async ({ daemon, pair: it }) => {
    const lines = (await logs(daemon, '-t', it.name)).split('\n');
    const times = lines.map((line) => /^\w+ +\| (\S+) /.exec(line)?.[1] ?? '');
    expect(times).toEqual([...times].sort());
    const since = await logs(daemon, '--since', times[3] ?? '', it.name);
    expect(since.split('\n')).toContain('sidecar | sidecar-2');
    expect(since).not.toContain('app-1');
    expect(await logs(daemon, '--since', '1d', `${it.name}/app`)).toBe('app-1\napp-2\napp-3');
    expect(await logs(daemon, '--since', '0s', `${it.name}/app`)).toBe('');
  });

  pair('has JSON for programs', async ({ daemon, pair: it }) => {
    const [line = ''] = (await logs(daemon, '--json', it.name)).split('\n');
    expect(JSON.parse(line)).toEqual({
      time: expect.stringMatching(/^\d{4}-.*\.\d{9}/),
      namespace: 'default',
      pod: it.name,
      container: 'app',
      id: it.first,
      attempt: 0,
      stream: 'stdout',
      text: 'app-1',
    });
  });

  pair('works and follows while the daemon is down', async ({ daemon, pair: it }) => {
    const follower = follow(daemon, '--tail', '1', it.name);
    await eventually('it shows what there is', () => follower.lines.length === 2);
    await it.say(it.first, 'app-4');
    await eventually('it shows what comes', () => follower.lines.at(-1) === 'app     | app-4');
    await daemon.kill();
    const { stdout, stderr } = await gantryOutcome(
      daemon.place,
      '--config',
      daemon.place.config,
      'logs',
      `${it.name}/app`,
    );
    expect(stdout).toBe('app-1\napp-2\napp-3\napp-4');
    expect(stderr).toContain('this is from its records');
    await daemon.start();
    await it.say(it.second, 'sidecar-4');
    await eventually('it goes on', () => follower.lines.at(-1) === 'sidecar | sidecar-4');
    await daemon.cri.stopPodSandbox({ podSandboxId: it.pod.id });
    expect(await follower.ended).toBe(0);
  });

  pair('ends without a word when nobody reads', async ({ daemon, pair: it }) => {
    const command = `"$0" --config "$1" logs -f "$2" | head -n 1`;
    const { stdout, stderr } = await execa('sh', [
      '-c',
      command,
      launcher,
      daemon.place.config,
      it.name,
    ]);
    expect(stdout).toBe('app     | app-1');
    expect(stderr).toBe('');
  });

  test('passes on bytes as they are', async ({ daemon, busybox }) => {
    const script = `printf '\\377\\000\\033[1m\\n'; head -c 1000000 /dev/urandom | tee /bytes; echo; touch /done
      ${forever.command.at(-1)}`;
    const config = containerConfig(busybox, { command: sh(script) });
    const id = await runContainer(daemon.cri, await runPod(daemon), config);
    const { stdout: hash } = await eventually('all is written', async () => {
      const result = await exec(daemon.cri, id, 'ls /done && sha256sum /bytes');
      return result.exitCode === 0 && result;
    });
    const { stdout } = await execa(launcher, ['--config', daemon.place.config, 'logs', id], {
      encoding: 'buffer',
    });
    const bytes = Buffer.from(stdout);
    expect(bytes.subarray(0, 7)).toEqual(Buffer.from([255, 0, 27, 91, 49, 109, 10]));
    const random = bytes.subarray(7, 7 + 1_000_000);
    expect(hash).toContain(createHash('sha256').update(random).digest('hex'));
  });
});
