import { readFile } from 'node:fs/promises';
import { status } from '@grpc/grpc-js';
import { describe, expect } from 'vitest';
import { test } from './harness/fixture.ts';
import { processes } from './harness/leftovers.ts';
import {
  containerConfig,
  createContainer,
  exec,
  forever,
  runContainer,
  runPod,
  sh,
} from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

const messageLimitBytes = 16 << 20;

describe('ExecSync', () => {
  const running = test.extend('containerId', async ({ daemon, busybox }) => {
    const config = containerConfig(busybox, {
      ...forever,
      envs: [{ key: 'COLOR', value: Buffer.from('red') }],
      workingDir: '/home',
    });
    return runContainer(daemon.cri, await runPod(daemon), config);
  });

  running('returns what the command wrote and how it ended', async ({ daemon, containerId }) => {
    const result = await exec(daemon.cri, containerId, 'echo out; echo err >&2; exit 7');
    expect(result).toEqual({ exitCode: 7, stdout: 'out\n', stderr: 'err\n' });
  });

  running('runs in the container as its own processes do', async ({ daemon, containerId }) => {
    const { stdout } = await exec(daemon.cri, containerId, 'pwd; echo $COLOR; id -u');
    expect(stdout).toBe('/home\nred\n0\n');
  });

  test('is for the OOM killer what its container is, not what the daemon is', async ({
    daemon,
    busybox,
  }) => {
    const linux = { resources: { oomScoreAdj: 900 } };
    const config = containerConfig(busybox, { ...forever, linux });
    const containerId = await runContainer(daemon.cri, await runPod(daemon), config);
    const { stdout } = await exec(daemon.cri, containerId, 'cat /proc/self/oom_score_adj');
    expect(stdout).toBe('900\n');
  });

  running('serves many callers at once', async ({ daemon, containerId }) => {
    const numbers = Array.from({ length: 20 }, (_, number) => `${number}`);
    const results = await Promise.all(
      numbers.map(async (number) => exec(daemon.cri, containerId, `echo ${number}`)),
    );
    expect(results.map(({ stdout }) => stdout.trim())).toEqual(numbers);
  });

  running(
    'past its timeout is DeadlineExceeded, and nothing of it runs on',
    async ({ daemon: { cri, place }, containerId }) => {
      const cmd = sh('setsid sleep 65432 & sleep 65432 & sleep 65432');
      const start = performance.now();
      await expect(cri.execSync({ containerId, cmd, timeout: 1 })).rejects.toMatchObject({
        code: status.DEADLINE_EXCEEDED,
      });
      expect(performance.now() - start).toBeGreaterThanOrEqual(1000);
      expect(performance.now() - start).toBeLessThan(6000);
      await eventually(
        'no process is left',
        () => !processes(place).some(({ command }) => command.includes('sleep 65432')),
      );
      expect((await exec(cri, containerId, 'echo alive')).stdout).toBe('alive\n');
      // Probes do this all the time.
      const lines = (await readFile(place.log, 'utf8')).split('\n');
      const told = lines.filter((line) => line.includes('sleep 65432'));
      expect(told).toEqual([expect.stringContaining('"level":"debug"')]);
    },
  );

  running(
    'past its timeout is gone for the container as well, not only ended',
    async ({ daemon: { cri }, containerId }) => {
      const cmd = ['sleep', '65433'];
      const tooLong = cri.execSync({ containerId, cmd, timeout: 1 });
      await expect(tooLong).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
      expect((await exec(cri, containerId, 'pgrep sleep || true')).stdout).toBe('');
    },
  );

  running(
    'with a timeout beyond what timers can count has none',
    async ({ daemon: { cri }, containerId }) => {
      const cmd = sh('sleep 0.1; echo done');
      for (const timeout of [2 ** 31 / 1000 + 1, 2 ** 31 - 1, 2 ** 53]) {
        const { stdout } = await cri.execSync({ containerId, cmd, timeout: Math.floor(timeout) });
        expect(stdout.toString()).toBe('done\n');
      }
    },
  );

  running(
    'keeps both streams together within a message of 16 MiB, drops the rest and does not block',
    async ({ daemon: { cri }, containerId }) => {
      const cmd = sh('head -c 17000000 /dev/zero; head -c 17000000 /dev/zero >&2; exit 5');
      const { stdout, stderr, exitCode } = await cri.execSync({ containerId, cmd, timeout: 30 });
      expect(exitCode).toBe(5);
      expect(stdout.length + stderr.length).toBe(messageLimitBytes - 1024);
    },
  );

  running(
    'does not wait for a grandchild that keeps the output open',
    async ({ daemon: { cri }, containerId }) => {
      const start = performance.now();
      const { stdout } = await cri.execSync({ containerId, cmd: sh('sleep 54321 & echo done') });
      expect(stdout.toString()).toBe('done\n');
      expect(performance.now() - start).toBeLessThan(15_000);
    },
  );

  running('of a command that does not exist names it', async ({ daemon: { cri }, containerId }) => {
    const cmd = ['/no/such/program'];
    const answer = await cri.execSync({ containerId, cmd }).then(
      ({ exitCode, stderr }) => ({ exitCode, text: stderr.toString() }),
      (error: { details: string }) => ({ exitCode: 1, text: error.details }),
    );
    expect(answer.exitCode).not.toBe(0);
    expect(answer.text).toContain('/no/such/program');
  });

  running('without a command is refused', async ({ daemon: { cri }, containerId }) => {
    await expect(cri.execSync({ containerId, cmd: [] })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('cmd'),
    });
  });

  test('in a container that does not run is refused', async ({ daemon, busybox }) => {
    const config = containerConfig(busybox, forever);
    const containerId = await createContainer(daemon.cri, await runPod(daemon), config);
    await expect(daemon.cri.execSync({ containerId, cmd: ['/bin/true'] })).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
    });
  });
});
