import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { NamespaceMode } from '#api/cri/v1/types.ts';
import { test } from './harness/fixture.ts';
import {
  containerConfig,
  exec,
  forever,
  podConfig,
  podStatus,
  runContainer,
  runPod,
} from './harness/pods.ts';

const mapping = { hostId: 200_000, containerId: 0, length: 65_536 };
const usernsOptions = { mode: NamespaceMode.POD, uids: [mapping], gids: [mapping] };
const namespaceOptions = { pid: NamespaceMode.CONTAINER, usernsOptions };
const own = { linux: { securityContext: { namespaceOptions } } };

describe('a pod with a user namespace', () => {
  test('has root that is nobody on the node, and owns its network', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon, own);
    const status = await podStatus(cri, pod.id);
    expect(status.linux?.namespaces?.options?.usernsOptions).toEqual(usernsOptions);
    const config = containerConfig(busybox, { ...forever, ...own });
    const id = await runContainer(cri, pod, config);
    const script =
      'id -u; cut -c1-40 /proc/self/uid_map | xargs; stat -c %u /bin/busybox /dev/shm; touch /made && echo made; hostname; ping -c1 -W2 127.0.0.1 >/dev/null && echo pong';
    const { stdout, stderr } = await exec(cri, id, script);
    expect(stdout.trim().split('\n'), stderr).toEqual([
      '0',
      '0 200000 65536',
      '0',
      '0',
      'made',
      expect.any(String),
      'pong',
    ]);
    const { stdout: pid } = await exec(cri, id, 'cat /proc/1/status | grep ^Uid | xargs');
    expect(pid.trim()).toBe('Uid: 0 0 0 0');
  });

  test('may configure its network, and nothing of the node', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon, own);
    const securityContext = {
      namespaceOptions,
      capabilities: { addCapabilities: ['NET_ADMIN', 'SYS_ADMIN'] },
    };
    const config = containerConfig(busybox, { ...forever, linux: { securityContext } });
    const id = await runContainer(daemon.cri, pod, config);
    const script =
      'ip link add d0 type dummy; ip link set lo down && echo own; hostname taken; hostname';
    const { stdout } = await exec(daemon.cri, id, script);
    expect(stdout).toContain('own\n');
    const { stdout: refused } = await exec(
      daemon.cri,
      id,
      'echo 1 > /proc/sys/kernel/sysrq; echo $?',
    );
    expect(refused).toBe('1\n');
  });

  test('finds the owners of its volumes mapped', async ({ daemon, busybox }) => {
    const folder = await mkdtemp(join(tmpdir(), 'gantry-idmap-'));
    try {
      await writeFile(join(folder, 'file'), 'text');
      const pod = await runPod(daemon, own);
      const mount = {
        hostPath: folder,
        containerPath: '/data',
        uidMappings: [mapping],
        gidMappings: [mapping],
      };
      const config = containerConfig(busybox, { ...forever, ...own, mounts: [mount] });
      const id = await runContainer(daemon.cri, pod, config);
      const { stdout } = await exec(daemon.cri, id, 'stat -c %u /data/file; touch /data/new');
      expect(stdout).toBe('0\n');
      expect((await stat(join(folder, 'new'))).uid).toBe(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('may share its processes', async ({ daemon, busybox }) => {
    const shared = {
      linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.POD, usernsOptions } } },
    };
    const pod = await runPod(daemon, shared);
    const config = containerConfig(busybox, { ...forever, ...shared });
    const id = await runContainer(daemon.cri, pod, config);
    const { stdout } = await exec(daemon.cri, id, 'ps -o pid,args | grep -c "/init -P"');
    expect(Number(stdout)).toBeGreaterThan(0);
  });

  test('outlives a restart of the daemon', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon, own);
    const config = containerConfig(busybox, { ...forever, ...own });
    const id = await runContainer(daemon.cri, pod, config);
    await daemon.kill();
    await daemon.start();
    expect((await podStatus(daemon.cri, pod.id)).state).toBe(0);
    expect((await exec(daemon.cri, id, 'id -u')).stdout).toBe('0\n');
  });

  test.for([
    ['two mappings', { mode: 0, uids: [mapping, mapping], gids: [mapping] }, 'must be one mapping'],
    ['none', { mode: 0, uids: [], gids: [] }, 'must be one mapping'],
    [
      'one from another id on',
      { mode: 0, uids: [{ ...mapping, containerId: 1 }], gids: [mapping] },
      'container_id: must be 0',
    ],
    [
      'users and groups apart',
      { mode: 0, uids: [mapping], gids: [{ ...mapping, hostId: 300_000 }] },
      'mapped alike',
    ],
    ['the mode CONTAINER', { mode: 1, uids: [mapping], gids: [mapping] }, 'must be POD or NODE'],
  ] as const)('is refused with %s', async ([, options, message], { daemon }) => {
    const wrong = { pid: NamespaceMode.CONTAINER, usernsOptions: options };
    const config = podConfig(daemon, { linux: { securityContext: { namespaceOptions: wrong } } });
    await expect(daemon.cri.runPodSandbox({ config })).rejects.toMatchObject({
      code: 3,
      details: expect.stringContaining(message),
    });
  });
});
