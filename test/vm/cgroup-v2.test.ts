import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { ContainerState } from '#api/cri/v1/types.ts';
import type { Cri } from '#harness/client.ts';
import { test } from '#harness/fixture.ts';
import {
  containerConfig,
  containerStatus,
  exec,
  forever,
  runContainer,
  runPod,
  sh,
  waitForExit,
} from '#harness/pods.ts';
import { eventually } from '#harness/wait.ts';

const MiB = 1 << 20;

/** A file of the cgroup that the container's first process is in. */
async function fileOf(cri: Cri, containerId: string, file: string): Promise<string> {
  const { info } = await cri.containerStatus({ containerId, verbose: true });
  const { pid } = JSON.parse(info['info'] ?? '{}');
  const cgroup = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().replace('0::', '');
  return join('/sys/fs/cgroup', cgroup, file);
}

async function read(cri: Cri, containerId: string, file: string): Promise<string> {
  return readFileSync(await fileOf(cri, containerId, file), 'utf8').trim();
}

const limits = {
  cpuQuota: 50_000,
  cpuPeriod: 100_000,
  cpuShares: 2048,
  memoryLimitInBytes: 64 * MiB,
  memorySwapLimitInBytes: 96 * MiB,
  cpusetCpus: '1',
  cpusetMems: '0',
  hugepageLimits: [{ pageSize: '2MB', limit: 4 * MiB }],
  unified: { 'memory.high': String(48 * MiB), 'pids.max': '77' },
};

const inFiles = {
  'cpu.max': '50000 100000',
  // 2048 of 2 to 262144 shares, on the scale of 1 to 10000.
  'cpu.weight': '79',
  'memory.max': String(64 * MiB),
  'memory.swap.max': String(32 * MiB),
  'memory.high': String(48 * MiB),
  'pids.max': '77',
  'cpuset.cpus': '1',
  'cpuset.mems': '0',
  'hugetlb.2MB.max': String(4 * MiB),
};

describe('on cgroup v2 a container', () => {
  test('has every limit in its file, and gets new ones', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const config = containerConfig(busybox, { ...forever, linux: { resources: limits } });
    const id = await runContainer(cri, await runPod(daemon), config);
    for (const [file, value] of Object.entries(inFiles)) {
      expect(await read(cri, id, file), file).toBe(value);
    }
    const unified = { 'memory.high': 'max', 'pids.max': '99' };
    await cri.updateContainerResources({
      containerId: id,
      linux: { cpuQuota: 75_000, memorySwapLimitInBytes: 80 * MiB, unified },
    });
    expect(await read(cri, id, 'cpu.max')).toBe('75000 100000');
    expect(await read(cri, id, 'memory.swap.max')).toBe(String(16 * MiB));
    expect(await read(cri, id, 'memory.high')).toBe('max');
    expect(await read(cri, id, 'pids.max')).toBe('99');
    expect(await read(cri, id, 'memory.max')).toBe(String(64 * MiB));
  });

  test('sees its own cgroup as the whole hierarchy, and cannot write to it', async ({
    daemon,
    busybox,
  }) => {
    const linux = { resources: { memoryLimitInBytes: 64 * MiB } };
    const config = containerConfig(busybox, { ...forever, linux });
    const id = await runContainer(daemon.cri, await runPod(daemon), config);
    const script =
      'cat /proc/1/cgroup /sys/fs/cgroup/memory.max; echo max >/sys/fs/cgroup/memory.max';
    const { stdout, stderr } = await exec(daemon.cri, id, script);
    expect(stdout).toBe(`0::/\n${64 * MiB}\n`);
    expect(stderr).toContain('Read-only file system');
  });

  test('ends as a whole when one of its processes runs out of memory, if it says so', async ({
    daemon,
    busybox,
  }) => {
    const resources = {
      memoryLimitInBytes: 20 * MiB,
      memorySwapLimitInBytes: 20 * MiB,
      // As kubelet asks for since Kubernetes 1.28.
      unified: { 'memory.oom.group': '1' },
    };
    const command = sh('dd if=/dev/zero of=/dev/null bs=200M & while :; do sleep 1; done');
    const config = containerConfig(busybox, { command, linux: { resources } });
    const id = await runContainer(daemon.cri, await runPod(daemon), config);
    const { exitCode, reason } = await waitForExit(daemon.cri, id);
    expect({ exitCode, reason }).toEqual({ exitCode: 137, reason: 'OOMKilled' });
  });

  test('goes on when one of its processes runs out of memory, if it does not', async ({
    daemon,
    busybox,
  }) => {
    const { cri } = daemon;
    const linux = {
      resources: { memoryLimitInBytes: 20 * MiB, memorySwapLimitInBytes: 20 * MiB },
    };
    const config = containerConfig(busybox, { ...forever, linux });
    const id = await runContainer(cri, await runPod(daemon), config);
    const { exitCode } = await exec(cri, id, 'dd if=/dev/zero of=/dev/null bs=200M');
    expect(exitCode).toBe(137);
    expect(await read(cri, id, 'memory.events')).toContain('oom_kill 1');
    expect((await containerStatus(cri, id)).state).toBe(ContainerState.CONTAINER_RUNNING);
  });

  test('that is frozen can be stopped', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const id = await runContainer(cri, await runPod(daemon), containerConfig(busybox, forever));
    writeFileSync(await fileOf(cri, id, 'cgroup.freeze'), '1');
    await eventually('it is frozen', async () =>
      (await read(cri, id, 'cgroup.events')).includes('frozen 1'),
    );
    await cri.stopContainer({ containerId: id, timeout: 1 });
    expect((await containerStatus(cri, id)).state).toBe(ContainerState.CONTAINER_EXITED);
  });

  test('has statistics, with those of pressure', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const linux = { resources: { memoryLimitInBytes: 64 * MiB } };
    const config = containerConfig(busybox, { ...forever, linux });
    const id = await runContainer(cri, await runPod(daemon), config);
    const { stats } = await cri.containerStats({ containerId: id });
    const some = { Some: { Avg10: expect.any(Number) } };
    expect(stats).toMatchObject({
      cpu: { psi: some },
      memory: { psi: some },
      io: { psi: some },
    });
    expect(stats?.cpu?.usageCoreNanoSeconds?.value).toBeGreaterThan(0);
    const { workingSetBytes, availableBytes } = stats?.memory ?? {};
    expect(workingSetBytes?.value).toBeGreaterThan(0);
    expect(availableBytes?.value).toBe(64 * MiB - (workingSetBytes?.value ?? 0));
  });
});
