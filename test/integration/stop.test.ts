import { status } from '@grpc/grpc-js';
import { describe, expect } from 'vitest';
import { ContainerState, NamespaceMode, PodSandboxState, Signal } from '#api/cri/v1/types.ts';
import { test } from './harness/fixture.ts';
import { processes } from './harness/leftovers.ts';
import {
  containerConfig,
  containerStatus,
  forever,
  logged,
  podStatus,
  readLog,
  runContainer,
  runPod,
  runToEnd,
  shell,
  waitForExit,
  sh,
} from './harness/pods.ts';

const deaf = { command: sh("trap '' TERM; while :; do sleep 1; done") };

async function elapsedMs(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

describe('stopping', () => {
  test('a container lets it end by itself', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const script = 'echo ready; while :; do sleep 1000 & wait; done';
    const containerId = await runContainer(cri, pod, containerConfig(busybox, shell(script)));
    await logged(cri, containerId, 'ready');
    const tookMs = await elapsedMs(async () => cri.stopContainer({ containerId, timeout: 20 }));
    expect(tookMs).toBeLessThan(5000);
    expect(await containerStatus(cri, containerId)).toMatchObject({
      state: ContainerState.CONTAINER_EXITED,
      exitCode: 143,
    });
  });

  test('a container that does not listen kills it after the grace time', async ({
    daemon,
    busybox,
  }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const containerId = await runContainer(cri, pod, containerConfig(busybox, deaf));
    const tookMs = await elapsedMs(async () => cri.stopContainer({ containerId, timeout: 1 }));
    expect(tookMs).toBeGreaterThanOrEqual(1000);
    expect(tookMs).toBeLessThan(6000);
    expect((await containerStatus(cri, containerId)).exitCode).toBe(137);
  });

  test('a container without grace kills it at once', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const containerId = await runContainer(cri, pod, containerConfig(busybox, deaf));
    await cri.stopContainer({ containerId, timeout: 0 });
    expect(await containerStatus(cri, containerId)).toMatchObject({ exitCode: 137 });
  });

  test('a container signals it once, whoever asks again, and after a restart', async ({
    daemon,
    busybox,
  }) => {
    const pod = await runPod(daemon);
    const script = "trap 'echo told' TERM; echo ready; while :; do sleep 1000 & wait; done";
    const config = containerConfig(busybox, { command: sh(script) });
    const containerId = await runContainer(daemon.cri, pod, config);
    const { logPath } = await logged(daemon.cri, containerId, 'ready');
    const stop = (timeout: number) => daemon.cri.stopContainer({ containerId, timeout });
    const dropped = expect(stop(300)).rejects.toMatchObject({ code: status.UNAVAILABLE });
    await logged(daemon.cri, containerId, 'told');
    await daemon.kill();
    await dropped;
    await daemon.start();
    await stop(1);
    const told = (await readLog(logPath)).filter(({ text }) => text === 'told');
    expect(told).toHaveLength(1);
  });

  test('a container sends the signal that it asks for', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const script = "trap 'exit 42' USR1; echo ready; while :; do sleep 1000 & wait; done";
    const config = containerConfig(busybox, {
      command: sh(script),
      stopSignal: Signal.SIGUSR1,
    });
    const containerId = await runContainer(cri, pod, config);
    await logged(cri, containerId, 'ready');
    await cri.stopContainer({ containerId, timeout: 20 });
    expect((await containerStatus(cri, containerId)).exitCode).toBe(42);
  });

  test('a container whose processes are the pod’s ends all of them', async ({
    daemon,
    busybox,
  }) => {
    const { cri, place } = daemon;
    const linux = { securityContext: { namespaceOptions: { pid: NamespaceMode.POD } } };
    const pod = await runPod(daemon, { linux });
    const config = containerConfig(busybox, {
      command: sh('setsid sleep 76543 & sleep 76543 & wait'),
      linux,
    });
    const containerId = await runContainer(cri, pod, config);
    await cri.stopContainer({ containerId, timeout: 0 });
    const left = processes(place).filter(({ command }) => command.includes('sleep 76543'));
    expect(left).toEqual([]);
  });

  test('one container does not wait for another', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const stubborn = await runContainer(cri, pod, containerConfig(busybox, deaf));
    const stopping = cri.stopContainer({ containerId: stubborn, timeout: 4 });
    const tookMs = await elapsedMs(async () => {
      const { stdout } = await runToEnd(
        cri,
        pod,
        containerConfig(busybox, { command: ['/bin/echo', 'meanwhile'] }),
      );
      expect(stdout).toBe('meanwhile\n');
      expect((await containerStatus(cri, stubborn)).state).toBe(ContainerState.CONTAINER_RUNNING);
    });
    expect(tookMs).toBeLessThan(3000);
    await stopping;
  });

  test('a container that has a month for it waits for its end', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const script = "trap 'sleep 1; exit 5' TERM; echo ready; while :; do sleep 1000 & wait; done";
    const config = containerConfig(busybox, { command: sh(script) });
    const containerId = await runContainer(cri, await runPod(daemon), config);
    await logged(cri, containerId, 'ready');
    const timeout = 30 * 24 * 3600;
    await cri.stopContainer({ containerId, timeout }, { timeoutMs: (timeout + 120) * 1000 });
    expect((await containerStatus(cri, containerId)).exitCode).toBe(5);
  });

  test('a shorter grace time overtakes a longer one', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const containerId = await runContainer(cri, pod, containerConfig(busybox, deaf));
    const tookMs = await elapsedMs(async () =>
      Promise.all([
        cri.stopContainer({ containerId, timeout: 40 }),
        cri.stopContainer({ containerId, timeout: 0 }),
      ]),
    );
    expect(tookMs).toBeLessThan(6000);
  });

  test('a pod ends its containers and gives up its network', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const ids = [];
    for (const config of [forever, deaf]) {
      ids.push(await runContainer(cri, pod, containerConfig(busybox, config)));
    }
    await cri.stopPodSandbox({ podSandboxId: pod.id });
    expect((await podStatus(cri, pod.id)).state).toBe(PodSandboxState.SANDBOX_NOTREADY);
    for (const id of ids) {
      expect((await containerStatus(cri, id)).state).toBe(ContainerState.CONTAINER_EXITED);
    }
  });

  test('removing a pod removes its running containers', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const containerId = await runContainer(cri, pod, containerConfig(busybox, deaf));
    await cri.removePodSandbox({ podSandboxId: pod.id });
    expect((await cri.listPodSandbox({})).items).toEqual([]);
    expect((await cri.listContainers({})).containers).toEqual([]);
    await expect(cri.containerStatus({ containerId })).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
  });

  test('removing a running container kills it and leaves its log', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const script = 'echo said; while :; do sleep 1; done';
    const config = containerConfig(busybox, { command: sh(script) });
    const containerId = await runContainer(cri, pod, config);
    const { logPath } = await logged(cri, containerId, 'said');
    await cri.removeContainer({ containerId });
    expect((await readLog(logPath)).map(({ text }) => text)).toEqual(['said']);
    expect((await cri.listContainers({})).containers).toEqual([]);
  });

  test('is for all time: what was stopped or removed may be stopped and removed again', async ({
    daemon,
    busybox,
  }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const containerId = await runContainer(cri, pod, containerConfig(busybox, forever));
    const podSandboxId = pod.id;
    for (let count = 0; count < 2; count++) await cri.stopContainer({ containerId, timeout: 1 });
    for (let count = 0; count < 2; count++) await cri.removeContainer({ containerId });
    for (let count = 0; count < 2; count++) await cri.stopPodSandbox({ podSandboxId });
    for (let count = 0; count < 2; count++) await cri.removePodSandbox({ podSandboxId });
    await cri.stopContainer({ containerId, timeout: 1 });
    await cri.stopPodSandbox({ podSandboxId });
  });

  test('a container that has ended keeps how it ended', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const config = containerConfig(busybox, { command: sh('exit 3') });
    const containerId = await runContainer(cri, pod, config);
    const ended = await waitForExit(cri, containerId);
    await cri.stopContainer({ containerId, timeout: 5 });
    expect(await containerStatus(cri, containerId)).toEqual(ended);
  });
});
