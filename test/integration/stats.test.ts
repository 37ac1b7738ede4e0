import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { status } from '@grpc/grpc-js';
import { describe, expect } from 'vitest';
import type {
  ContainerStats,
  MetricDescriptor,
  StreamPodSandboxMetricsResponse,
  StreamPodSandboxStatsResponse,
} from '#api/cri/v1/types.ts';
import type { Cri } from './harness/client.ts';
import type { Daemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import {
  containerConfig,
  createContainer,
  exec,
  forever,
  logged,
  podStatus,
  runContainer,
  runPod,
  runToEnd,
  sh,
  shell,
} from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

const mib = 1 << 20;

async function statsOf(cri: Cri, containerId: string): Promise<ContainerStats> {
  const { stats } = await cri.containerStats({ containerId });
  if (stats === null) throw new Error(`no statistics of container ${containerId}`);
  return stats;
}

/** A file of the container's cgroup, as the kernel has it: v1's, or v2's. */
function kernelNumber({ place }: Daemon, id: string, files: { v1: string; v2: string }): number {
  const path = `${place.cgroupParent}/${id}`;
  const [controller = ''] = files.v1.split('.');
  const legacy = `/sys/fs/cgroup/${controller}${path}/${files.v1}`;
  const file = existsSync(legacy) ? legacy : `/sys/fs/cgroup${path}/${files.v2}`;
  const text = readFileSync(file, 'utf8');
  return Number(/^usage_usec (\d+)/m.exec(text)?.[1] ?? text);
}

/** NaN where there is none. */
function number(field: { readonly value: number } | null | undefined): number {
  return field?.value ?? Number.NaN;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

async function collect<Item>(stream: AsyncIterable<Item>): Promise<Item[]> {
  return Array.fromAsync(stream);
}

/** Connects as soon as somebody listens. */
async function connectTo(host: string, port: number): Promise<Socket> {
  return eventually(`something listens at ${port}`, async () => {
    const socket = connect({ host, port });
    const isConnected = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    return isConnected && socket;
  });
}

/** How many bytes come before the other end closes. */
async function readAll(host: string, port: number): Promise<number> {
  let length = 0;
  for await (const chunk of await connectTo(host, port)) length += (chunk as Buffer).length;
  return length;
}

/** Returns when the other end has read all of it and closed. */
async function writeAll(host: string, port: number, bytes: Buffer): Promise<void> {
  const socket = await connectTo(host, port);
  socket.resume().end(bytes);
  await once(socket, 'close');
}

/** A counter of the pod's interface, as those in the pod see it. */
function inside(state: string, podSandboxId: string, counter: string): number {
  const read = `mount -t sysfs none /sys && cat /sys/class/net/eth0/statistics/${counter}`;
  const netns = `--net=${state}/sandboxes/${podSandboxId}/net`;
  return Number(execFileSync('nsenter', [netns, 'unshare', '--mount', 'sh', '-c', read]));
}

describe('statistics of a container', () => {
  test('have the processor time that it used, and the rate once it is known', async ({
    daemon,
    busybox,
  }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const burn = shell(
      'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo done; while :; do sleep 1000 & wait; done',
    );
    const id = await runContainer(cri, pod, containerConfig(busybox, burn));
    const first = await statsOf(cri, id);
    expect(first.cpu?.usageNanoCores, 'of one sample no rate is known').toBe(null);
    await logged(cri, id, 'done');
    const { cpu } = await statsOf(cri, id);
    const used = cpu?.usageCoreNanoSeconds?.value ?? 0;
    expect(used).toBeGreaterThan(20e6);
    const now = kernelNumber(daemon, id, { v1: 'cpuacct.usage', v2: 'cpu.stat' });
    const kernelNs = existsSync('/sys/fs/cgroup/cpuacct') ? now : now * 1000;
    // The container goes on, though it does next to nothing.
    expect(kernelNs).toBeGreaterThanOrEqual(used);
    expect(kernelNs - used).toBeLessThan(50e6);
    const rate = await eventually('the rate is known', async () => {
      const later = await statsOf(cri, id);
      return later.cpu?.usageNanoCores?.value;
    });
    expect(rate).toBeGreaterThan(0);
    expect(rate).toBeLessThan(2e9);
    expect(cpu?.timestamp).toBeGreaterThan((Date.now() - 60_000) * 1e6);
  });

  test('have the memory that it allocated, and what is left', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const limit = 128 * mib;
    const hold = shell(
      `x=$(head -c ${20 * mib} /dev/zero | tr '\\0' x); echo held; while :; do sleep 1000 & wait; done`,
    );
    const config = containerConfig(busybox, {
      ...hold,
      linux: { resources: { memoryLimitInBytes: limit, memorySwapLimitInBytes: limit } },
    });
    const id = await runContainer(cri, pod, config);
    await logged(cri, id, 'held');
    const { memory, swap } = await statsOf(cri, id);
    expect(number(memory?.rssBytes)).toBeGreaterThan(20 * mib);
    expect(number(memory?.rssBytes)).toBeLessThan(80 * mib);
    expect(number(memory?.usageBytes)).toBeGreaterThanOrEqual(number(memory?.workingSetBytes));
    expect(number(memory?.workingSetBytes)).toBeGreaterThan(20 * mib);
    expect(number(memory?.workingSetBytes) + number(memory?.availableBytes)).toBe(limit);
    expect(number(memory?.pageFaults)).toBeGreaterThan(5000);
    expect(number(swap?.swapUsageBytes)).toBe(0);
    expect(number(swap?.swapAvailableBytes)).toBe(0);
    const files = { v1: 'memory.usage_in_bytes', v2: 'memory.current' };
    const kernel = kernelNumber(daemon, id, files);
    expect(Math.abs(kernel - number(memory?.usageBytes))).toBeLessThan(4 * mib);
  });

  test('have what it wrote over its image, as du counts it', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    const pod = await runPod(daemon);
    const id = await runContainer(cri, pod, containerConfig(busybox, forever));
    expect((await statsOf(cri, id)).writableLayer?.usedBytes).toMatchObject({ value: 0 });
    const script = `head -c ${8 * mib} /dev/urandom > /big; mkdir /many; for i in 1 2 3 4 5; do echo $i > /many/$i; done; sync`;
    expect((await exec(cri, id, script)).exitCode).toBe(0);
    const layer = await eventually(
      'what it wrote is measured',
      async () => {
        const { writableLayer } = await statsOf(cri, id);
        return number(writableLayer?.usedBytes) > 8 * mib
          ? (writableLayer ?? undefined)
          : undefined;
      },
      45_000,
    );
    const upper = `${place.root}/containers/${id}/upper`;
    const du = (...options: string[]) =>
      Number(execFileSync('du', ['-s', ...options, upper], { encoding: 'utf8' }).split('\t')[0]);
    expect(layer.usedBytes?.value).toBe(du('-B1'));
    expect(layer.inodesUsed?.value).toBe(du('--inodes'));
    expect(layer.fsId?.mountpoint).toBe(place.root);
    // After a restart nothing is known until it is measured again.
    await daemon.restart();
    await eventually('it is measured again', async () => {
      const { writableLayer } = await statsOf(cri, id);
      return writableLayer?.usedBytes?.value === layer.usedBytes?.value;
    });
  });

  test('are of what runs only, by id, pod and labels', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const [one, two] = [await runPod(daemon), await runPod(daemon)];
    const labels = { app: 'web' };
    const web = await runContainer(cri, one, containerConfig(busybox, { ...forever, labels }));
    const other = await runContainer(cri, two, containerConfig(busybox, forever));
    const ended = await runToEnd(
      cri,
      one,
      containerConfig(busybox, { command: sh('true'), labels }),
    );
    const created = await createContainer(
      cri,
      one,
      containerConfig(busybox, { ...forever, labels }),
    );
    const ids = async (filter: Parameters<Cri['listContainerStats']>[0]['filter']) =>
      (await cri.listContainerStats({ filter: filter ?? null })).stats.map(
        ({ attributes }) => attributes?.id,
      );
    expect(new Set(await ids(null))).toEqual(new Set([web, other]));
    expect(await ids({ id: web.slice(0, 12) })).toEqual([web]);
    expect(await ids({ podSandboxId: two.id })).toEqual([other]);
    expect(await ids({ labelSelector: labels })).toEqual([web]);
    expect(await ids({ labelSelector: { app: 'db' } })).toEqual([]);
    expect(await ids({ id: ended.status.id })).toEqual([]);
    for (const id of [ended.status.id, created]) {
      expect(await statsOf(cri, id)).toMatchObject({ attributes: { id, labels }, cpu: null });
    }
    await expect(cri.containerStats({ containerId: 'f'.repeat(64) })).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
  });

  test('survive containers that end while all are read', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const stays = await runContainer(cri, pod, containerConfig(busybox, forever));
    for (let round = 0; round < 3; round += 1) {
      const ends = Array.from({ length: 4 }, async () =>
        runToEnd(cri, pod, containerConfig(busybox, { command: sh('true') })),
      );
      const over = Promise.all(ends).then(() => 'over');
      while ((await Promise.race([over, Promise.resolve('not yet')])) !== 'over') {
        const { stats } = await cri.listContainerStats({});
        expect(stats.map(({ attributes }) => attributes?.id)).toContain(stays);
        await cri.listPodSandboxStats({});
        await cri.listPodSandboxMetrics({});
      }
    }
  });
});

describe('statistics of a pod', () => {
  test('have its traffic, its processes, and its containers', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    const pod = await runPod(daemon);
    const serve = shell(
      `nc -l -p 7000 -e head -c ${2 * mib} /dev/zero & nc -l -p 7001 -e sh -c 'cat > /dev/null' & while :; do sleep 1000 & wait; done`,
    );
    const id = await runContainer(cri, pod, containerConfig(busybox, serve));
    const address = (await podStatus(cri, pod.id)).network?.ip ?? '';
    expect(await readAll(address, 7000)).toBe(2 * mib);
    await writeAll(address, 7001, Buffer.alloc(3 * mib));

    const { stats } = await cri.podSandboxStats({ podSandboxId: pod.id });
    const traffic = stats?.linux?.network;
    expect(traffic?.interfaces).toEqual([]);
    expect(traffic?.defaultInterface).toMatchObject({
      name: 'eth0',
      rxErrors: { value: 0 },
      txErrors: { value: 0 },
    });
    const { txBytes, rxBytes } = traffic?.defaultInterface ?? {};
    // The kernel may have looked for neighbours since.
    for (const [counter, told] of [
      ['rx_bytes', rxBytes],
      ['tx_bytes', txBytes],
    ] as const) {
      const now = inside(place.state, pod.id, counter);
      expect(now - number(told), counter).toBeGreaterThanOrEqual(0);
      expect(now - number(told), counter).toBeLessThan(4096);
    }
    expect(number(txBytes)).toBeGreaterThan(2 * mib);
    expect(number(txBytes)).toBeLessThan(3 * mib);
    expect(number(rxBytes)).toBeGreaterThan(3 * mib);
    expect(stats?.linux?.containers.map(({ attributes }) => attributes?.id)).toEqual([id]);
  });

  test('have its processor time, its memory and its processes', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const ids = [
      await runContainer(cri, pod, containerConfig(busybox, forever)),
      await runContainer(cri, pod, containerConfig(busybox, forever)),
    ];
    await eventually('each has a shell and what it waits for', async () => {
      const { stats } = await cri.podSandboxStats({ podSandboxId: pod.id });
      return number(stats?.linux?.process?.processCount) === 4;
    });
    const { stats } = await cri.podSandboxStats({ podSandboxId: pod.id });
    const { cpu, memory, containers = [] } = stats?.linux ?? {};
    expect(new Set(containers.map(({ attributes }) => attributes?.id))).toEqual(new Set(ids));
    // Without a cgroup of its own it is what its containers are together.
    const used = containers.map((each) => number(each.cpu?.usageCoreNanoSeconds));
    expect(number(cpu?.usageCoreNanoSeconds)).toBe(sum(used));
    const held = containers.map((each) => number(each.memory?.workingSetBytes));
    expect(number(memory?.workingSetBytes)).toBe(sum(held));
  });

  test('are those of its own cgroup, as kubelet gives it', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    const uid = '1f0a9c6e-9a3f-4d65-8f6c-2f1a7a0f5d10';
    const cgroupParent = `${place.cgroupParent}/pod${uid}`;
    const pod = await runPod(daemon, {
      metadata: { name: 'owner', namespace: 'default', uid, attempt: 0 },
      linux: { cgroupParent },
    });
    const script = 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exit 0';
    await runToEnd(cri, pod, containerConfig(busybox, { command: sh(script) }));
    await runContainer(cri, pod, containerConfig(busybox, forever));
    const { stats } = await cri.podSandboxStats({ podSandboxId: pod.id });
    const [running] = stats?.linux?.containers ?? [];
    // The one that has ended counts as well: the pod's counters never go down.
    const ofPod = number(stats?.linux?.cpu?.usageCoreNanoSeconds);
    expect(ofPod).toBeGreaterThan(number(running?.cpu?.usageCoreNanoSeconds) + 10e6);
    expect((await cri.listPodSandboxStats({ filter: { id: pod.id } })).stats).toHaveLength(1);
  });

  test('on the network of the node are without traffic', async ({ daemon }) => {
    const pod = await runPod(daemon, {
      linux: { securityContext: { namespaceOptions: { network: 2, pid: 1 } } },
    });
    const { stats } = await daemon.cri.podSandboxStats({ podSandboxId: pod.id });
    expect(stats?.linux?.network).toBe(null);
    expect(stats?.linux?.process?.processCount?.value).toBe(0);
  });

  test('leave out pods that are stopped', async ({ daemon }) => {
    const { cri } = daemon;
    const labels = { app: 'web' };
    const [stays, stopped] = [await runPod(daemon, { labels }), await runPod(daemon, { labels })];
    await cri.stopPodSandbox({ podSandboxId: stopped.id });
    const { stats } = await cri.listPodSandboxStats({ filter: { labelSelector: labels } });
    expect(stats.map(({ attributes }) => attributes?.id)).toEqual([stays.id]);
    const unknown = cri.podSandboxStats({ podSandboxId: 'f'.repeat(64) });
    await expect(unknown).rejects.toMatchObject({ code: status.NOT_FOUND });
  });
});

describe('metrics for kubelet', () => {
  test('are described, and have the labels that they are described with', async ({
    daemon,
    busybox,
  }) => {
    const { cri, place } = daemon;
    const pod = await runPod(daemon);
    const resources = {
      cpuPeriod: 50_000,
      cpuQuota: 20_000,
      cpuShares: 512,
      memoryLimitInBytes: 64 * mib,
    };
    const id = await runContainer(
      cri,
      pod,
      containerConfig(busybox, { ...forever, linux: { resources } }),
    );
    await exec(cri, id, `head -c ${mib} /dev/zero > /file; sync`);
    const { descriptors } = await cri.listMetricDescriptors({});
    const byName = new Map(descriptors.map((each) => [each.name, each]));
    expect(byName.size).toBe(descriptors.length);
    expect(byName.size).toBe(56);
    for (const { name, help, labelKeys } of descriptors) {
      expect(help, name).not.toBe('');
      expect(new Set(labelKeys).size, name).toBe(labelKeys.length);
    }
    const { podMetrics } = await cri.listPodSandboxMetrics({});
    expect(podMetrics.map(({ podSandboxId }) => podSandboxId)).toEqual([pod.id]);
    const { metrics: ofPod = [], containerMetrics = [] } = podMetrics[0] ?? {};
    expect(containerMetrics.map(({ containerId }) => containerId)).toEqual([id]);
    const ofContainer = containerMetrics[0]?.metrics ?? [];
    const labelsOf = (metric: { readonly name: string; readonly labelValues: readonly string[] }) =>
      labelled(byName.get(metric.name), metric.labelValues);
    const seen = new Set<string>();
    for (const metric of [...ofPod, ...ofContainer]) {
      const labels = labelsOf(metric);
      expect(labels).toMatchObject({ namespace: 'default', pod: pod.config.metadata?.name });
      expect(metric.metricType, metric.name).toBe(isCounter(metric.name) ? 0 : 1);
      const series = metric.name + JSON.stringify(labels);
      expect(seen, 'no series is there twice').not.toContain(series);
      seen.add(series);
    }
    const value = (name: string) =>
      ofContainer.find((metric) => metric.name === name)?.value?.value;
    expect(value('container_spec_cpu_period')).toBe(50_000);
    expect(value('container_spec_cpu_quota')).toBe(20_000);
    expect(value('container_spec_cpu_shares')).toBe(512);
    expect(value('container_spec_memory_limit_bytes')).toBe(64 * mib);
    expect(value('container_processes')).toBe(2);
    expect(value('container_threads')).toBe(2);
    expect(value('container_file_descriptors')).toBeGreaterThanOrEqual(6);
    expect(value('container_sockets')).toBe(0);
    expect(Math.abs((value('container_last_seen') ?? 0) - Date.now() / 1000)).toBeLessThan(10);
    expect(value('container_memory_working_set_bytes')).toBeGreaterThan(0);
    const usage = ofContainer.find(({ name }) => name === 'container_memory_rss');
    expect(usage && labelsOf(usage)).toMatchObject({
      id: `${place.cgroupParent}/${id}`,
      name: id,
    });
  });

  test('come in a stream as well', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    await runContainer(cri, pod, containerConfig(busybox, forever));
    const [metrics] = await collect<StreamPodSandboxMetricsResponse>(
      cri.streamPodSandboxMetrics({}),
    );
    expect(metrics?.podSandboxMetrics.map(({ podSandboxId }) => podSandboxId)).toEqual([pod.id]);
    const [stats] = await collect(cri.streamContainerStats({}));
    expect(stats?.containerStats).toHaveLength(1);
    const [pods] = await collect<StreamPodSandboxStatsResponse>(cri.streamPodSandboxStats({}));
    expect(pods?.podSandboxStats.map(({ attributes }) => attributes?.id)).toEqual([pod.id]);
    const [sandboxes] = await collect(cri.streamPodSandboxes({}));
    expect(sandboxes?.podSandboxes).toEqual((await cri.listPodSandbox({})).items);
    const [containers] = await collect(cri.streamContainers({}));
    expect(containers?.containers).toEqual((await cri.listContainers({})).containers);
    const [images] = await collect(cri.streamImages({}));
    expect(images?.images).toEqual((await cri.listImages({})).images);
    expect(await collect(cri.streamContainers({ filter: { id: 'ffff' } }))).toEqual([]);
  });
});

function labelled(
  descriptor: MetricDescriptor | undefined,
  values: readonly string[],
): Record<string, string | undefined> {
  expect(descriptor?.labelKeys).toHaveLength(values.length);
  return Object.fromEntries(descriptor?.labelKeys.map((key, index) => [key, values[index]]) ?? []);
}

/** cAdvisor's names are older than the conventions. */
function isCounter(name: string): boolean {
  if (name === 'container_memory_failcnt') return true;
  return name.endsWith('_total') && name !== 'container_fs_inodes_total';
}
