import { describe, expect, inject } from 'vitest';
import { setTimeout as delay } from 'node:timers/promises';
import { ContainerState, PodSandboxState } from '#api/cri/v1/types.ts';
import type { Daemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import { buildImage, buildLayer, busyboxLayer } from './harness/image.ts';
import {
  containerConfig,
  containerStatus,
  exec,
  forever,
  podConfig,
  podStatus,
  runContainer,
  runPod,
  runToEnd,
  uniqueName,
  sh,
} from './harness/pods.ts';
import { push } from './harness/registry.ts';
import { slowness } from './harness/wait.ts';

/** Each round ends the daemon at a moment of its own; together they cover a pod's whole life. */
function randomMoments(count: number): number[] {
  return Array.from({ length: count }, () => Math.round(Math.random() * 150));
}

/** One pod from its start to its removal, over and over, until the daemon is gone. */
async function churn(daemon: Daemon, image: string): Promise<void> {
  for (;;) {
    const pod = await runPod(daemon);
    const containerId = await runContainer(daemon.cri, pod, containerConfig(image, forever));
    await exec(daemon.cri, containerId, 'true');
    await daemon.cri.stopContainer({ containerId, timeout: 1 });
    await daemon.cri.stopPodSandbox({ podSandboxId: pod.id });
    await daemon.cri.removePodSandbox({ podSandboxId: pod.id });
  }
}

/** What the lists say must be so: ready pods have a network, running containers run. */
async function expectTrueLists({ cri }: Daemon): Promise<void> {
  for (const { id, state } of (await cri.listPodSandbox({})).items) {
    const status = await podStatus(cri, id);
    expect(status.state).toBe(state);
    if (state === PodSandboxState.SANDBOX_READY) expect(status.network?.ip).toMatch(/^10\./);
  }
  for (const { id, state } of (await cri.listContainers({})).containers) {
    expect((await containerStatus(cri, id)).state).toBe(state);
    if (state === ContainerState.CONTAINER_RUNNING) {
      expect((await exec(cri, id, 'echo alive')).stdout).toBe('alive\n');
    }
    expect(state).not.toBe(ContainerState.CONTAINER_UNKNOWN);
  }
}

/** Ends the daemon with `end` at each of the moments of a churn, and looks at what is left. */
async function endWhileChurning(
  { daemon, busybox }: { readonly daemon: Daemon; readonly busybox: string },
  momentsMs: readonly number[],
  end: () => Promise<void>,
): Promise<void> {
  for (const momentMs of momentsMs) {
    const churning = [1, 2, 3].map(async () => churn(daemon, busybox).catch(() => {}));
    // Not a wait for something: the random moment is what this test is about.
    await delay(momentMs);
    await end();
    await Promise.all(churning);
    await daemon.start();
    await expectTrueLists(daemon);
    await daemon.removeAllPods();
    expect(await daemon.leaks(), `ended after ${momentMs} of ${momentsMs.join()} ms`).toEqual([]);
  }
}

describe('SIGTERM', () => {
  test(
    'while pods come and go leaves nothing that cannot be removed',
    async ({ daemon, busybox }) => {
      await endWhileChurning({ daemon, busybox }, randomMoments(4), async () => daemon.stop());
    },
    240_000 * slowness,
  );
});

describe('kill -9', () => {
  test(
    'while pods come and go leaves nothing that cannot be removed',
    async ({ daemon, busybox }) => {
      await endWhileChurning({ daemon, busybox }, randomMoments(10), async () => daemon.kill());
    },
    240_000 * slowness,
  );

  test('during RunPodSandbox lets kubelet ask again with the same metadata', async ({
    daemon,
    busybox,
  }) => {
    for (const momentMs of [1, 3, 6, 10, 20]) {
      const config = podConfig(daemon);
      const first = daemon.cri.runPodSandbox({ config }).catch(() => {});
      await delay(momentMs);
      await daemon.kill();
      await first;
      await daemon.start();
      const { podSandboxId } = await daemon.cri.runPodSandbox({ config });
      const command = ['/bin/echo', 'fine'];
      const pod = { id: podSandboxId, config };
      const { stdout } = await runToEnd(daemon.cri, pod, containerConfig(busybox, { command }));
      expect(stdout).toBe('fine\n');
      await daemon.removeAllPods();
      expect(await daemon.leaks(), `killed after ${momentMs} ms`).toEqual([]);
    }
  });

  test('during a pull leaves no image, and the next pull brings it', async ({ daemon }) => {
    const { cri } = daemon;
    const large = buildLayer([
      { type: 'file', path: 'large', content: Buffer.alloc(48 << 20, uniqueName('fill')) },
    ]);
    const image = buildImage([busyboxLayer(), large]);
    const reference = await push(inject('registry').host, image, uniqueName('large'));
    for (const momentMs of [5, 30, 80]) {
      const pull = cri.pullImage({ image: { image: reference } }).catch(() => {});
      await delay(momentMs);
      await daemon.kill();
      await pull;
      await daemon.start();
      const { image: found } = await cri.imageStatus({ image: { image: reference } });
      await cri.pullImage({ image: { image: reference } });
      const pod = await runPod(daemon);
      const command = sh('wc -c </large');
      const { stdout } = await runToEnd(cri, pod, containerConfig(reference, { command }));
      expect([found?.id ?? image.id, stdout.trim()]).toEqual([image.id, `${48 << 20}`]);
      await daemon.removeAllPods();
      await cri.removeImage({ image: { image: reference } });
    }
  });
});
