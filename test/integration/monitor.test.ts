import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { ContainerState } from '#api/cri/v1/types.ts';
import type { Daemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import {
  containerConfig,
  containerStatus,
  exec,
  forever,
  runContainer,
  runPod,
} from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

/** Ends a container's conmon as the kernel does when memory is short. */
function killMonitor({ place }: Daemon, id: string): void {
  const pid = readFileSync(join(place.state, 'containers', id, 'conmon.pid'), 'utf8');
  process.kill(Number(pid), 'SIGKILL');
}

describe('a container whose monitor was killed', () => {
  test('goes on, and can be stopped and removed', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const id = await runContainer(cri, pod, containerConfig(busybox, forever));
    killMonitor(daemon, id);
    expect((await exec(cri, id, 'echo alive')).stdout).toBe('alive\n');
    expect((await containerStatus(cri, id)).state).toBe(ContainerState.CONTAINER_RUNNING);
    await cri.stopContainer({ containerId: id, timeout: 0 });
    expect(await containerStatus(cri, id)).toMatchObject({
      state: ContainerState.CONTAINER_EXITED,
      exitCode: 255,
      reason: 'Unknown',
      message: expect.stringContaining('its monitor was gone'),
    });
    await cri.removeContainer({ containerId: id });
  });

  test('is found to have ended when it ends by itself', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const config = containerConfig(busybox, {
      command: ['/bin/sh', '-c', 'while [ ! -e /gate ]; do usleep 20000; done'],
    });
    const id = await runContainer(cri, pod, config);
    killMonitor(daemon, id);
    await exec(cri, id, 'touch /gate');
    const status = await eventually('the end is noticed', async () => {
      const now = await containerStatus(cri, id);
      return now.state === ContainerState.CONTAINER_EXITED ? now : undefined;
    });
    expect(status.reason).toBe('Unknown');
  });

  test('ends while the daemon is away, and the next one knows', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon);
    const id = await runContainer(daemon.cri, pod, containerConfig(busybox, forever));
    const pid = Number(readFileSync(join(daemon.place.state, 'containers', id, 'pid'), 'utf8'));
    await daemon.kill();
    killMonitor(daemon, id);
    process.kill(pid, 'SIGKILL');
    await daemon.start();
    expect(await containerStatus(daemon.cri, id)).toMatchObject({
      state: ContainerState.CONTAINER_EXITED,
      reason: 'Unknown',
    });
  });
});

test('a container whose monitor stands still is stopped and removed, with the monitor', async ({
  daemon,
  busybox,
}) => {
  const { cri } = daemon;
  const id = await runContainer(cri, await runPod(daemon), containerConfig(busybox, forever));
  const file = join(daemon.place.state, 'containers', id, 'conmon.pid');
  const monitor = Number(readFileSync(file, 'utf8'));
  process.kill(monitor, 'SIGSTOP');
  await cri.stopContainer({ containerId: id, timeout: 0 });
  expect(await containerStatus(cri, id)).toMatchObject({ exitCode: 255, reason: 'Unknown' });
  await cri.removeContainer({ containerId: id });
  await eventually('the monitor is gone', () => !existsSync(`/proc/${monitor}/cmdline`));
});
