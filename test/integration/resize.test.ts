import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import type { LinuxContainerResources } from '#api/cri/v1/types.ts';
import type { Cri, Draft } from './harness/client.ts';
import type { Daemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import {
  containerConfig,
  containerStatus,
  forever,
  runContainer,
  runPod,
  sh,
  logged,
  waitForExit,
} from './harness/pods.ts';

const MiB = 1 << 20;
const top = '/sys/fs/cgroup';
const isUnified = existsSync(join(top, 'cgroup.controllers'));

/** A file of the container's own cgroup: by its name in v2, or in a hierarchy of v1. */
async function limitOf(cri: Cri, id: string, [v2, v1]: readonly [string, string]): Promise<string> {
  const { info } = await cri.containerStatus({ containerId: id, verbose: true });
  const cgroups = readFileSync(`/proc/${JSON.parse(info['info'] ?? '{}').pid}/cgroup`, 'utf8');
  const [controller = ''] = v1.split('.');
  const path = isUnified
    ? join(top, /^0::(.*)$/m.exec(cgroups)?.[1] ?? '', v2)
    : join(top, controller, new RegExp(`:${controller}:(.*)`).exec(cgroups)?.[1] ?? '', v1);
  return readFileSync(path, 'utf8').trim();
}

const memory = ['memory.max', 'memory.limit_in_bytes'] as const;
const quota = ['cpu.max', 'cpu.cfs_quota_us'] as const;
const cpus = ['cpuset.cpus', 'cpuset.cpus'] as const;
const hugepages = ['hugetlb.2MB.max', 'hugetlb.2MB.limit_in_bytes'] as const;

type Wish = Draft<LinuxContainerResources>;

async function run(
  daemon: Daemon,
  image: string,
  options: {
    readonly handler: string;
    readonly resources: Wish;
    readonly command?: readonly string[];
  },
): Promise<string> {
  const { command = forever.command, resources, handler } = options;
  const pod = await runPod(daemon, {}, handler);
  return runContainer(daemon.cri, pod, containerConfig(image, { command, linux: { resources } }));
}

describe.each(['crun', 'runc'])('limits with %s', (handler) => {
  test('of memory, processors, cpusets and huge pages change', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const resources = {
      memoryLimitInBytes: 64 * MiB,
      cpuQuota: 50_000,
      cpuPeriod: 100_000,
      cpusetCpus: '0',
      hugepageLimits: [{ pageSize: '2MB', limit: 4 * MiB }],
    };
    const containerId = await run(daemon, busybox, { handler, resources });
    const all = () =>
      Promise.all([memory, quota, cpus, hugepages].map((file) => limitOf(cri, containerId, file)));
    expect(await all()).toEqual([
      String(64 * MiB),
      isUnified ? '50000 100000' : '50000',
      '0',
      String(4 * MiB),
    ]);
    const changed = {
      memoryLimitInBytes: 96 * MiB,
      cpuQuota: 25_000,
      cpusetCpus: '0-1',
      hugepageLimits: [{ pageSize: '2MB', limit: 8 * MiB }],
    };
    await cri.updateContainerResources({ containerId, linux: changed });
    expect(await all()).toEqual([
      String(96 * MiB),
      isUnified ? '25000 100000' : '25000',
      '0-1',
      String(8 * MiB),
    ]);
    const { resources: reported } = await containerStatus(cri, containerId);
    expect(reported?.linux).toMatchObject({ ...resources, ...changed });
  });

  test('of memory and processors are taken away by -1', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const resources = { memoryLimitInBytes: 64 * MiB, cpuQuota: 50_000, cpuPeriod: 100_000 };
    const containerId = await run(daemon, busybox, { handler, resources });
    const linux = { memoryLimitInBytes: -1, cpuQuota: -1 };
    await cri.updateContainerResources({ containerId, linux });
    const max = await limitOf(cri, containerId, memory);
    expect(max === 'max' || Number(max) > 2 ** 60).toBe(true);
    expect(await limitOf(cri, containerId, quota)).toMatch(/^(max 100000|-1)$/);
  });

  test('of memory below what is in use are refused, and the container goes on', async ({
    daemon,
    busybox,
  }) => {
    const { cri } = daemon;
    const resources = { memoryLimitInBytes: 128 * MiB };
    const fill =
      'x=$(head -c 40000000 /dev/zero | tr "\\0" x); echo full; while :; do sleep 1; done';
    const containerId = await run(daemon, busybox, { handler, resources, command: sh(fill) });
    await logged(cri, containerId, 'full');
    const linux = { memoryLimitInBytes: 20 * MiB };
    await expect(cri.updateContainerResources({ containerId, linux })).rejects.toMatchObject({
      code: 9,
      details: expect.stringMatching(
        /update container .*: memory limit of 20971520 bytes: \d+ are in use/,
      ),
    });
    expect(await limitOf(cri, containerId, memory)).toBe(String(128 * MiB));
    const { resources: reported, finishedAt } = await containerStatus(cri, containerId);
    expect(reported?.linux?.memoryLimitInBytes).toBe(128 * MiB);
    expect(finishedAt).toBe(0);
  });
});

test.runIf(isUnified).for(['crun', 'runc'])(
  'files of cgroup v2 are written as they are given (%s)',
  async (handler, { daemon, busybox }) => {
    const resources = { unified: { 'memory.high': String(32 * MiB), 'memory.oom.group': '1' } };
    const containerId = await run(daemon, busybox, { handler, resources });
    const high = ['memory.high', ''] as const;
    expect(await limitOf(daemon.cri, containerId, high)).toBe(String(32 * MiB));
    expect(await limitOf(daemon.cri, containerId, ['memory.oom.group', ''])).toBe('1');
    const linux = { unified: { 'memory.high': String(48 * MiB) } };
    await daemon.cri.updateContainerResources({ containerId, linux });
    expect(await limitOf(daemon.cri, containerId, high)).toBe(String(48 * MiB));
    expect(await limitOf(daemon.cri, containerId, ['memory.oom.group', ''])).toBe('1');
  },
);

test.runIf(isUnified).for(['crun', 'runc'])(
  'swap is what is allowed beyond memory (%s)',
  async (handler, { daemon, busybox }) => {
    const resources = { memoryLimitInBytes: 64 * MiB, memorySwapLimitInBytes: 80 * MiB };
    const containerId = await run(daemon, busybox, { handler, resources });
    const swap = ['memory.swap.max', ''] as const;
    expect(await limitOf(daemon.cri, containerId, swap)).toBe(String(16 * MiB));
    const linux = { memorySwapLimitInBytes: 96 * MiB };
    await daemon.cri.updateContainerResources({ containerId, linux });
    expect(await limitOf(daemon.cri, containerId, swap)).toBe(String(32 * MiB));
  },
);

test.runIf(!isUnified)(
  'files of cgroup v2 are refused where there is v1',
  async ({ daemon, busybox }) => {
    const resources = { unified: { 'memory.high': '1000000' } };
    await expect(run(daemon, busybox, { handler: 'crun', resources })).rejects.toMatchObject({
      details: expect.stringContaining('cgroup v2'),
    });
  },
);

test('swap below memory is refused', async ({ daemon, busybox }) => {
  const resources = { memoryLimitInBytes: 64 * MiB, memorySwapLimitInBytes: 32 * MiB };
  await expect(run(daemon, busybox, { handler: 'crun', resources })).rejects.toMatchObject({
    code: 3,
    details: expect.stringContaining('memory_swap_limit_in_bytes'),
  });
});

test('a container that has ended takes new limits, which nobody needs', async ({
  daemon,
  busybox,
}) => {
  const resources = { memoryLimitInBytes: 64 * MiB };
  const containerId = await run(daemon, busybox, {
    handler: 'crun',
    resources,
    command: sh('exit 0'),
  });
  await waitForExit(daemon.cri, containerId);
  const linux = { memoryLimitInBytes: 32 * MiB };
  await daemon.cri.updateContainerResources({ containerId, linux });
  const { resources: reported } = await containerStatus(daemon.cri, containerId);
  expect(reported?.linux?.memoryLimitInBytes).toBe(32 * MiB);
});
