import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { ContainerState, PodSandboxState } from '#api/cri/v1/types.ts';
import { startDaemon, type Daemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import { leftovers, sweep } from './harness/leftovers.ts';
import {
  containerConfig,
  containerStatus,
  createContainer,
  exec,
  forever,
  podStatus,
  readLog,
  runContainer,
  runPod,
  waitForExit,
  sh,
} from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

/** A gate on the node that a container waits at, so that things happen while the daemon is away. */
async function closedGate({ place }: Daemon) {
  const gate = join(place.directory, 'gate');
  await rm(gate, { force: true });
  return {
    mounts: [{ hostPath: place.directory, containerPath: '/node' }],
    wait: 'while [ ! -e /node/gate ]; do usleep 20000; done',
    open: async () => writeFile(gate, ''),
  };
}

const ends: Record<string, (daemon: Daemon) => Promise<void>> = {
  SIGTERM: async (daemon) => daemon.stop(),
  'kill -9': async (daemon) => daemon.kill(),
};

for (const [how, end] of Object.entries(ends)) {
  describe(`after ${how} and a new start`, () => {
    test('pods and containers are what they were', async ({ daemon, busybox }) => {
      const { cri } = daemon;
      const pod = await runPod(daemon, { labels: { app: 'web' }, annotations: { note: 'kept' } });
      const running = await runContainer(cri, pod, containerConfig(busybox, forever));
      const created = await createContainer(cri, pod, containerConfig(busybox, forever));
      const before = {
        pod: await podStatus(cri, pod.id),
        running: await containerStatus(cri, running),
        created: await containerStatus(cri, created),
      };
      await end(daemon);
      await daemon.start();
      expect({
        pod: await podStatus(cri, pod.id),
        running: await containerStatus(cri, running),
        created: await containerStatus(cri, created),
      }).toEqual(before);
    });

    test('a container went on running and logging, and can be used', async ({
      daemon,
      busybox,
    }) => {
      const { cri } = daemon;
      const pod = await runPod(daemon);
      const gate = await closedGate(daemon);
      const script = `${gate.wait}; echo while away; while :; do sleep 1; done`;
      const config = containerConfig(busybox, { command: sh(script), mounts: gate.mounts });
      const id = await runContainer(cri, pod, config);
      await end(daemon);
      await gate.open();
      const logPath = `${pod.config.logDirectory}/${config.logPath}`;
      await eventually('the container logs', async () => (await readLog(logPath)).length === 1);
      await daemon.start();
      expect((await exec(cri, id, 'echo alive')).stdout).toBe('alive\n');
      await cri.stopContainer({ containerId: id, timeout: 0 });
      expect((await readLog(logPath)).map(({ text }) => text)).toEqual(['while away']);
    });

    test('the end of a container while the daemon was away is known', async ({
      daemon,
      busybox,
    }) => {
      const { cri } = daemon;
      const pod = await runPod(daemon);
      const gate = await closedGate(daemon);
      const script = `${gate.wait}; echo over; exit 9`;
      const config = containerConfig(busybox, { command: sh(script), mounts: gate.mounts });
      const id = await runContainer(cri, pod, config);
      await end(daemon);
      await gate.open();
      const logPath = `${pod.config.logDirectory}/${config.logPath}`;
      await eventually('the container ends', async () => (await readLog(logPath)).length === 1);
      await daemon.start();
      expect(await waitForExit(cri, id)).toMatchObject({ exitCode: 9, reason: 'Error' });
    });

    test('a stopped pod can be removed, and a new one gets an address', async ({
      daemon,
      busybox,
    }) => {
      const { cri } = daemon;
      const pod = await runPod(daemon);
      const containerId = await runContainer(cri, pod, containerConfig(busybox, forever));
      await cri.stopPodSandbox({ podSandboxId: pod.id });
      await end(daemon);
      await daemon.start();
      expect((await podStatus(cri, pod.id)).state).toBe(PodSandboxState.SANDBOX_NOTREADY);
      expect((await containerStatus(cri, containerId)).state).toBe(ContainerState.CONTAINER_EXITED);
      await cri.removePodSandbox({ podSandboxId: pod.id });

      const next = await runPod(daemon);
      expect((await podStatus(cri, next.id)).network?.ip).toMatch(/^10\./);
    });
  });
}

test('after a reboot pods are not ready, containers have ended, and both can be removed', async ({
  daemon,
  busybox,
}) => {
  const { cri, place } = daemon;
  const pod = await runPod(daemon);
  const containerId = await runContainer(cri, pod, containerConfig(busybox, forever));
  await daemon.kill();
  // What a reboot leaves is what is on disk: no process, mount, namespace, link or cgroup.
  await sweep(place);
  await rm(place.state, { recursive: true });

  await daemon.start();
  expect((await podStatus(cri, pod.id)).state).toBe(PodSandboxState.SANDBOX_NOTREADY);
  expect((await containerStatus(cri, containerId)).state).toBe(ContainerState.CONTAINER_EXITED);
  const next = await runPod(daemon);
  const again = await runContainer(cri, next, containerConfig(busybox, forever));
  expect((await exec(cri, again, 'echo alive')).stdout).toBe('alive\n');
});

describe('SIGTERM', () => {
  test('without pods takes the bridge and the firewall table away', async () => {
    await using daemon = await startDaemon();
    await runPod(daemon);
    await daemon.removeAllPods();
    await daemon.stop();
    expect(await leftovers(daemon.place)).toEqual([]);
  });
});

test('a daemon whose terminal is closed ends in order', async ({ daemon }) => {
  process.kill(daemon.pid, 'SIGHUP');
  await eventually('it ends', () => !daemon.isRunning);
  expect(await readFile(daemon.place.log, 'utf8')).toMatch(
    /"stopping","signal":"SIGHUP".*\n.*"stopped; containers go on"/,
  );
  await daemon.start();
});
