import { readFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { test } from './harness/fixture.ts';
import {
  containerConfig,
  containerStatus,
  createContainer,
  exec,
  forever,
  runPod,
} from './harness/pods.ts';

const MiB = 1 << 20;
const asked = {
  memoryLimitInBytes: 64 * MiB,
  cpuShares: 512,
  cpuQuota: 50_000,
  cpuPeriod: 100_000,
  oomScoreAdj: 500,
};

/** Limits as a process in the container finds them, on cgroup v1 or v2. */
const limits = `
cd /sys/fs/cgroup
cat memory/memory.limit_in_bytes memory.max 2>/dev/null
cat cpu/cpu.cfs_quota_us 2>/dev/null || cut -d" " -f1 cpu.max
cat /proc/1/oom_score_adj`;

/** The container's view of its own cgroup is the node's here: find it by the path of its process. */
async function limitsOf(cri: Parameters<typeof exec>[0], id: string): Promise<number[]> {
  const { stdout } = await exec(cri, id, `cat /proc/1/cgroup; echo; ${limits}`);
  const [paths = '', own = ''] = stdout.split('\n\n');
  const path = /:memory:(.*)/.exec(paths)?.[1];
  const memory =
    path === undefined
      ? own.split('\n')[0]
      : readFileSync(`/sys/fs/cgroup/memory${path}/memory.limit_in_bytes`, 'utf8');
  const cpuPath = /:cpu:(.*)/.exec(paths)?.[1];
  const quota =
    cpuPath === undefined
      ? own.split('\n')[1]
      : readFileSync(`/sys/fs/cgroup/cpu${cpuPath}/cpu.cfs_quota_us`, 'utf8');
  return [Number(memory), Number(quota), Number(own.trim().split('\n').at(-1))];
}

describe('limits', () => {
  test('hold as asked for, and change while the container runs', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const config = containerConfig(busybox, { ...forever, linux: { resources: asked } });
    const containerId = await createContainer(cri, pod, config);
    await cri.startContainer({ containerId });
    expect(await limitsOf(cri, containerId)).toEqual([64 * MiB, 50_000, 500]);

    const larger = { memoryLimitInBytes: 128 * MiB, cpuQuota: 75_000 };
    await cri.updateContainerResources({ containerId, linux: larger });
    expect(await limitsOf(cri, containerId)).toEqual([128 * MiB, 75_000, 500]);
    const { resources } = await containerStatus(cri, containerId);
    expect(resources?.linux).toMatchObject({ ...asked, ...larger });

    await cri.updateContainerResources({ containerId, linux: { memoryLimitInBytes: 32 * MiB } });
    expect((await limitsOf(cri, containerId))[0]).toBe(32 * MiB);
  });

  test('that change before the start hold from the start', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const config = containerConfig(busybox, { ...forever, linux: { resources: asked } });
    const containerId = await createContainer(cri, pod, config);
    const linux = { memoryLimitInBytes: 96 * MiB };
    await cri.updateContainerResources({ containerId, linux });
    await cri.startContainer({ containerId });
    expect((await limitsOf(cri, containerId))[0]).toBe(96 * MiB);
  });

  test('outlive a restart of the daemon', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon);
    const config = containerConfig(busybox, { ...forever, linux: { resources: asked } });
    const containerId = await createContainer(daemon.cri, pod, config);
    await daemon.cri.startContainer({ containerId });
    await daemon.cri.updateContainerResources({ containerId, linux: { cpuShares: 2048 } });
    await daemon.stop();
    await daemon.start();
    const { resources } = await containerStatus(daemon.cri, containerId);
    expect(resources?.linux).toMatchObject({ ...asked, cpuShares: 2048 });
  });

  test('that the kernel refuses change nothing', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const config = containerConfig(busybox, { ...forever, linux: { resources: asked } });
    const containerId = await createContainer(cri, pod, config);
    await cri.startContainer({ containerId });
    const linux = { memoryLimitInBytes: 32 * MiB, cpuQuota: 60_000, cpusetCpus: '4095' };
    const refused = cri.updateContainerResources({ containerId, linux });
    await expect(refused).rejects.toMatchObject({
      details: expect.stringContaining(`update container "${containerId}"`),
    });
    const { resources } = await containerStatus(cri, containerId);
    expect(resources?.linux?.cpusetCpus).toBe('');
    expect(await limitsOf(cri, containerId)).toEqual([64 * MiB, 50_000, 500]);
  });

  test('of a pod may be announced', async ({ daemon }) => {
    const { id: podSandboxId } = await runPod(daemon);
    const resources = { memoryLimitInBytes: 256 * MiB };
    await daemon.cri.updatePodSandboxResources({ podSandboxId, resources });
  });
});
