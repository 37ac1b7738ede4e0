import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { CgroupDriver, ContainerState, NamespaceMode } from '#api/cri/v1/types.ts';
import { startDaemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import {
  containerConfig,
  containerStatus,
  exec,
  forever,
  runContainer,
  runPod,
  sh,
  waitForExit,
} from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

const MiB = 1 << 20;
const isSystemd = process.env['GANTRY_TEST_CGROUP_DRIVER'] === 'systemd';

function systemctl(...args: string[]): string {
  return execFileSync('systemctl', args, { encoding: 'utf8' }).trim();
}

/** The container's cgroup, from the root of the hierarchy on. */
function cgroupOfProcess(pid: number): string {
  return readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().replace('0::', '');
}

async function pidOf(cri: Parameters<typeof exec>[0], containerId: string): Promise<number> {
  const { info } = await cri.containerStatus({ containerId, verbose: true });
  return JSON.parse(info['info'] ?? '{}').pid;
}

const read = (cgroup: string, file: string) =>
  readFileSync(join('/sys/fs/cgroup', cgroup, file), 'utf8').trim();

describe.runIf(isSystemd)('with the cgroup driver systemd', () => {
  test('kubelet is told so', async ({ daemon }) => {
    const { linux } = await daemon.cri.runtimeConfig({});
    expect(linux?.cgroupDriver).toBe(CgroupDriver.SYSTEMD);
  });

  test.for(['crun', 'runc'])(
    'a container of %s is a scope in the slice of its pod, and goes with it',
    async (runtimeHandler, { daemon, busybox }) => {
      const { cri } = daemon;
      const slice = `gantrytest-burstable-pod${process.pid}.slice`;
      const parents = ['gantrytest.slice', 'gantrytest-burstable.slice'];
      const cgroupParent = `/${[...parents, slice].join('/')}`;
      const config = {
        metadata: { name: 'web', namespace: 'default', uid: 'u', attempt: 0 },
        linux: {
          cgroupParent,
          securityContext: { namespaceOptions: { pid: NamespaceMode.CONTAINER } },
        },
      };
      const { podSandboxId } = await cri.runPodSandbox({ config, runtimeHandler });
      const resources = { memoryLimitInBytes: 64 * MiB, cpuQuota: 50_000, cpuPeriod: 100_000 };
      const containerId = await runContainer(
        cri,
        { id: podSandboxId, config },
        containerConfig(busybox, { ...forever, linux: { resources } }),
      );
      const scope = `gantry-${containerId}.scope`;
      expect(systemctl('is-active', scope)).toBe('active');
      expect(systemctl('show', '--property=Slice', '--value', scope)).toBe(slice);
      const cgroup = cgroupOfProcess(await pidOf(cri, containerId));
      expect(`${cgroup}/`).toContain(`${cgroupParent}/${scope}/`);
      expect(read(cgroup, 'memory.max')).toBe(String(64 * MiB));

      expect(await exec(cri, containerId, 'echo $((6 * 7))')).toMatchObject({ stdout: '42\n' });
      const larger = { memoryLimitInBytes: 128 * MiB, cpuShares: 2048 };
      await cri.updateContainerResources({ containerId, linux: larger });
      expect(read(cgroup, 'memory.max')).toBe(String(128 * MiB));
      systemctl('daemon-reload');
      expect(read(cgroup, 'memory.max')).toBe(String(128 * MiB));
      expect(read(cgroup, 'cpu.max')).toBe('50000 100000');

      await cri.stopContainer({ containerId, timeout: 0 });
      await eventually('systemd has let go of the scope', () => !isLoaded(scope));
      expect(existsSync(join('/sys/fs/cgroup', cgroupParent, scope))).toBe(false);
      await cri.removePodSandbox({ podSandboxId });
      systemctl('stop', ...parents);
    },
  );

  test('the name of a slice alone is enough', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon, { linux: { cgroupParent: 'gantrytest-named.slice' } });
    const id = await runContainer(daemon.cri, pod, containerConfig(busybox, forever));
    const cgroup = cgroupOfProcess(await pidOf(daemon.cri, id));
    expect(cgroup).toContain('/gantrytest.slice/gantrytest-named.slice/gantry-');
    await daemon.removeAllPods();
    systemctl('stop', 'gantrytest.slice');
  });

  test('a pod without a parent is in the slice that is configured', async ({ daemon, busybox }) => {
    const id = await runContainer(
      daemon.cri,
      await runPod(daemon),
      containerConfig(busybox, forever),
    );
    const cgroup = cgroupOfProcess(await pidOf(daemon.cri, id));
    expect(cgroup).toContain(`${daemon.place.cgroupParent}/gantry-${id}.scope`);
  });

  test('the init of a shared pid namespace is a scope, too', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon, { linux: { cgroupParent: 'gantrytest-pid.slice' } });
    await runContainer(daemon.cri, pod, containerConfig(busybox, forever));
    expect(systemctl('is-active', `gantry-${pod.id}.scope`)).toBe('active');
    await daemon.cri.stopPodSandbox({ podSandboxId: pod.id });
    await eventually('its scope is gone', () => !isLoaded(`gantry-${pod.id}.scope`));
    await daemon.removeAllPods();
    systemctl('stop', 'gantrytest.slice');
  });

  test.for([1, 2, 3, 4, 5])(
    'a container that ran out of memory says so (%s)',
    async (_n, { daemon, busybox }) => {
      const pod = await runPod(daemon);
      const eat = sh('dd if=/dev/zero of=/dev/null bs=200M');
      const linux = { resources: { memoryLimitInBytes: 20 * MiB } };
      const config = containerConfig(busybox, { command: eat, linux });
      const id = await runContainer(daemon.cri, pod, config);
      const { exitCode, reason } = await waitForExit(daemon.cri, id);
      expect({ exitCode, reason }).toEqual({ exitCode: 137, reason: 'OOMKilled' });
      await eventually('its scope is gone', () => !isLoaded(`gantry-${id}.scope`));
    },
  );

  test('what was started goes on, and ends, after a kill -9 of the daemon', async ({
    daemon,
    busybox,
  }) => {
    const pod = await runPod(daemon);
    const containerId = await runContainer(daemon.cri, pod, containerConfig(busybox, forever));
    await daemon.kill();
    await daemon.start();
    const { state } = await containerStatus(daemon.cri, containerId);
    expect(state).toBe(ContainerState.CONTAINER_RUNNING);
    await daemon.cri.stopContainer({ containerId, timeout: 5 });
    await eventually('its scope is gone', () => !isLoaded(`gantry-${containerId}.scope`));
  });

  test('a parent that is no slice, or a slice elsewhere, is refused', async ({ daemon }) => {
    for (const [cgroupParent, why] of [
      ['/kubepods/burstable/pod1', 'is no slice'],
      ['/a.slice/b.slice', 'systemd has the slice "b.slice" at "/b.slice"'],
    ] as const) {
      await expect(runPod(daemon, { linux: { cgroupParent } })).rejects.toMatchObject({
        code: 3,
        details: expect.stringContaining(why),
      });
    }
  });

  test('a handler of its own driver makes cgroups in the slice by itself', async () => {
    await using daemon = await startDaemon({
      extraConfig: `[runtime.handlers]
crun = { path = "crun" }
plain = { path = "crun", cgroup_driver = "cgroupfs" }
`,
    });
    const { podSandboxId } = await daemon.cri.runPodSandbox({
      config: { metadata: { name: 'p', namespace: 'd', uid: 'u', attempt: 0 }, linux: {} },
      runtimeHandler: 'plain',
    });
    expect(systemctl('list-units', '--no-legend', `gantry-${podSandboxId}.scope`)).toBe('');
    expect(existsSync(join('/sys/fs/cgroup', daemon.place.cgroupParent, podSandboxId))).toBe(true);
    await daemon.takeDown();
  });
});

function isLoaded(unit: string): boolean {
  return systemctl('list-units', '--all', '--no-legend', unit) !== '';
}

describe.runIf(!isSystemd)('with the cgroup driver cgroupfs', () => {
  test('kubelet is told so', async ({ daemon }) => {
    const { linux } = await daemon.cri.runtimeConfig({});
    expect(linux?.cgroupDriver).toBe(CgroupDriver.CGROUPFS);
  });

  test('a slice is refused: its giver uses systemd', async ({ daemon }) => {
    const cgroupParent = '/kubepods.slice/kubepods-pod1.slice';
    await expect(runPod(daemon, { linux: { cgroupParent } })).rejects.toMatchObject({
      code: 3,
      details: expect.stringContaining(
        'is a slice of systemd, but runtime.cgroup_driver is "cgroupfs"',
      ),
    });
    expect((await daemon.cri.listPodSandbox({})).items).toEqual([]);
  });
});
