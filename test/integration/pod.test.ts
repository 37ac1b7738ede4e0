import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect } from 'vitest';
import { NamespaceMode, PodSandboxState, type PodSandboxFilter } from '#api/cri/v1/types.ts';
import type { Draft } from './harness/client.ts';
import type { Daemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import {
  containerConfig,
  exec,
  forever,
  podConfig,
  podStatus,
  runContainer,
  runPod,
  runToEnd,
  sh,
  uniqueName,
  waitForExit,
} from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

const sharedProcesses = {
  linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.POD } } },
};

function killInit({ place }: Pick<Daemon, 'place'>, podId: string): void {
  const file = join(place.state, 'sandboxes', podId, 'init/pid');
  process.kill(Number(readFileSync(file, 'utf8')), 'SIGKILL');
}

describe('a pod', () => {
  test('comes back in its status as it was asked for', async ({ daemon }) => {
    const given = {
      labels: { app: 'web', 'example.com/tier': 'front' },
      annotations: { note: 'any text, "quoted"\nand on two lines' },
    };
    const pod = await runPod(daemon, given);
    const found = await podStatus(daemon.cri, pod.id);
    expect(found).toMatchObject({
      id: pod.id,
      metadata: pod.config.metadata,
      state: PodSandboxState.SANDBOX_READY,
      ...given,
    });
    expect(found.createdAt).toBeGreaterThan(Date.parse('2026-01-01') * 1e6);
    expect(found.createdAt).toBeLessThanOrEqual(Date.now() * 1e6);
  });

  test('is listed by id, prefix of the id, state and labels', async ({ daemon }) => {
    const { cri } = daemon;
    const web = await runPod(daemon, { labels: { app: 'web', tier: 'front' } });
    const stopped = await runPod(daemon, { labels: { app: 'web' } });
    await cri.stopPodSandbox({ podSandboxId: stopped.id });

    const ids = async (filter: Draft<PodSandboxFilter>) =>
      (await cri.listPodSandbox({ filter })).items.map(({ id }) => id);
    expect(await ids({ id: web.id })).toEqual([web.id]);
    expect(await ids({ id: web.id.slice(0, 12) })).toEqual([web.id]);
    expect(await ids({ state: { state: PodSandboxState.SANDBOX_READY } })).toEqual([web.id]);
    expect(await ids({ state: { state: PodSandboxState.SANDBOX_NOTREADY } })).toEqual([stopped.id]);
    expect(await ids({ labelSelector: { app: 'web', tier: 'front' } })).toEqual([web.id]);
    expect((await ids({ labelSelector: { app: 'web' } })).toSorted()).toEqual(
      [web.id, stopped.id].toSorted(),
    );
    expect(await ids({ id: 'ffff' })).toEqual([]);
  });

  test('asked for twice at once is one pod', async ({ daemon }) => {
    const config = podConfig(daemon);
    const answers = await Promise.all([1, 2].map(async () => daemon.cri.runPodSandbox({ config })));
    expect(answers[0]).toEqual(answers[1]);
    expect((await daemon.cri.listPodSandbox({})).items).toHaveLength(1);
  });

  test('is one of many that start and go at once', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const lives = Array.from({ length: 20 }, async () => {
      const pod = await runPod(daemon);
      const id = await runContainer(cri, pod, containerConfig(busybox, forever));
      const { stdout } = await exec(cri, id, 'hostname');
      await cri.removePodSandbox({ podSandboxId: pod.id });
      return stdout.trim() === pod.config.hostname;
    });
    expect(await Promise.all(lives)).toEqual(lives.map(() => true));
    expect((await cri.listPodSandbox({})).items).toEqual([]);
  });

  test('asked for again with the next attempt is another pod', async ({ daemon }) => {
    const config = podConfig(daemon);
    const again = { ...config, metadata: { ...config.metadata, attempt: 1 } };
    const first = await daemon.cri.runPodSandbox({ config });
    const second = await daemon.cri.runPodSandbox({ config: again });
    expect(second.podSandboxId).not.toBe(first.podSandboxId);
  });

  test('gives its containers a host name, resolv.conf, hosts and 64 MiB of /dev/shm', async ({
    daemon,
    busybox,
  }) => {
    const pod = await runPod(daemon, {
      hostname: 'kestrel',
      dnsConfig: {
        servers: ['10.96.0.10', '1.1.1.1'],
        searches: ['default.svc.cluster.local', 'svc.cluster.local'],
        options: ['ndots:5'],
      },
    });
    const script =
      'hostname; echo $HOSTNAME; cat /etc/hostname; cat /etc/resolv.conf; df -k /dev/shm; cat /etc/hosts';
    const command = sh(script);
    const { stdout } = await runToEnd(daemon.cri, pod, containerConfig(busybox, { command }));
    const lines = stdout.split('\n');
    expect(lines.slice(0, 3)).toEqual(['kestrel', 'kestrel', 'kestrel']);
    expect(lines.slice(3, 7)).toEqual([
      'search default.svc.cluster.local svc.cluster.local',
      'nameserver 10.96.0.10',
      'nameserver 1.1.1.1',
      'options ndots:5',
    ]);
    expect(stdout).toMatch(/ 65536 +0 +65536 .*\/dev\/shm/);
    expect(stdout).toMatch(/^127\.0\.0\.1\s+localhost/m);
  });

  test('shares shared memory and IPC among its containers, and with nobody else', async ({
    daemon,
    busybox,
  }) => {
    const { cri } = daemon;
    const [pod, other] = [await runPod(daemon), await runPod(daemon)];
    const config = () => containerConfig(busybox, forever);
    const writer = await runContainer(cri, pod, config());
    const reader = await runContainer(cri, pod, config());
    const stranger = await runContainer(cri, other, config());
    await exec(cri, writer, 'echo told >/dev/shm/secret');
    expect((await exec(cri, reader, 'cat /dev/shm/secret')).stdout).toBe('told\n');
    expect((await exec(cri, stranger, 'cat /dev/shm/secret')).exitCode).not.toBe(0);

    const ipc = async (id: string) => (await exec(cri, id, 'readlink /proc/self/ns/ipc')).stdout;
    expect(await ipc(reader)).toBe(await ipc(writer));
    expect(await ipc(stranger)).not.toBe(await ipc(writer));
  });

  test('shares its processes when it asks for that', async ({ daemon, busybox }) => {
    const securityContext = { namespaceOptions: { pid: NamespaceMode.POD } };
    const pod = await runPod(daemon, { linux: { securityContext } });
    const config = containerConfig(busybox, { ...forever, linux: { securityContext } });
    const first = await runContainer(daemon.cri, pod, config);
    const second = await runContainer(
      daemon.cri,
      pod,
      containerConfig(busybox, { ...forever, linux: { securityContext } }),
    );
    const marker = 'sleep 87654';
    await exec(daemon.cri, first, `${marker} >/dev/null 2>&1 &`);
    expect((await exec(daemon.cri, second, 'ps')).stdout).toContain(marker);
  });

  test('whose shared processes have lost their init is not ready any more', async ({
    daemon,
    busybox,
  }) => {
    const { cri } = daemon;
    const [pod, other] = [
      await runPod(daemon, sharedProcesses),
      await runPod(daemon, sharedProcesses),
    ];
    const config = containerConfig(busybox, { ...forever, ...sharedProcesses });
    const containerId = await runContainer(cri, pod, config);
    killInit(daemon, pod.id);
    expect((await waitForExit(cri, containerId)).exitCode).toBe(137);
    await eventually('the pod is not ready', async () => {
      const { state } = await podStatus(cri, pod.id);
      return state === PodSandboxState.SANDBOX_NOTREADY;
    });
    // The same while the daemon is away.
    await daemon.stop();
    killInit(daemon, other.id);
    await daemon.start();
    expect((await podStatus(cri, other.id)).state).toBe(PodSandboxState.SANDBOX_NOTREADY);
  });

  test('on the IPC of the node has its shared memory', async ({ daemon, busybox }) => {
    const namespaceOptions = { pid: NamespaceMode.CONTAINER, ipc: NamespaceMode.NODE };
    const linux = { securityContext: { namespaceOptions } };
    const name = uniqueName('gantry-shm');
    writeFileSync(join('/dev/shm', name), 'of the node\n');
    try {
      const config = containerConfig(busybox, { linux, command: ['cat', `/dev/shm/${name}`] });
      const { stdout } = await runToEnd(daemon.cri, await runPod(daemon, { linux }), config);
      expect(stdout).toBe('of the node\n');
    } finally {
      rmSync(join('/dev/shm', name));
    }
  });

  test('applies the sysctls that it is given', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon, {
      linux: {
        sysctls: { 'net.ipv4.ip_local_port_range': '20000 30000', 'kernel.shm_rmid_forced': '1' },
        securityContext: { namespaceOptions: { pid: NamespaceMode.CONTAINER } },
      },
    });
    const files = '/proc/sys/net/ipv4/ip_local_port_range /proc/sys/kernel/shm_rmid_forced';
    const command = sh(`cat ${files}`);
    const { stdout } = await runToEnd(daemon.cri, pod, containerConfig(busybox, { command }));
    expect(stdout).toBe('20000\t30000\n1\n');
  });

  test('with an unknown runtime handler is refused, by name', async ({ daemon }) => {
    const request = { config: podConfig(daemon), runtimeHandler: 'no-such-handler' };
    await expect(daemon.cri.runPodSandbox(request)).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('no-such-handler'),
    });
  });

  test('runs on the handler that it names, and its status says which', async ({
    daemon,
    busybox,
  }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon, {}, 'runc');
    const command = ['/bin/echo', 'run by runc'];
    const { stdout } = await runToEnd(cri, pod, containerConfig(busybox, { command }));
    expect(stdout).toBe('run by runc\n');
    expect((await podStatus(cri, pod.id)).runtimeHandler).toBe('runc');
  });
});
