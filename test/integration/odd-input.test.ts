import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect } from 'vitest';
import { type ContainerConfig, NamespaceMode, type PodSandboxConfig } from '#api/cri/v1/types.ts';
import type { Draft } from './harness/client.ts';
import { test } from './harness/fixture.ts';
import { containerConfig, createContainer, forever, runPod, runToEnd, sh } from './harness/pods.ts';

const MiB = 1 << 20;
const { INVALID_ARGUMENT } = status;

const namespaces = (namespaceOptions: object) => ({
  linux: { securityContext: { namespaceOptions } },
});
const resources = (limits: object) => ({ linux: { resources: limits } });
const security = (securityContext: object) => ({ linux: { securityContext } });
const mount = (containerPath: string, hostPath = '/tmp') => ({
  mounts: [{ containerPath, hostPath }],
});
const device = (hostPath: string, permissions = 'rwm') => ({
  devices: [{ hostPath, containerPath: '/dev/x', permissions }],
});

async function run(
  daemon: Parameters<typeof runPod>[0],
  image: string,
  config: Draft<ContainerConfig>,
): ReturnType<typeof runToEnd> {
  return runToEnd(daemon.cri, await runPod(daemon), containerConfig(image, config));
}

describe('a pod is refused, and leaves nothing,', () => {
  const beyond = { hostId: 4294967295, containerId: 0, length: 65_536 };
  const odd: [string, Draft<PodSandboxConfig>, string][] = [
    [
      'with a NUL in its name',
      { metadata: { name: 'a\0', namespace: 'b', uid: 'c' } },
      'config.metadata.name',
    ],
    ['with a NUL in a label', { labels: { 'a\0': 'b' } }, 'config.labels: has a NUL in a key'],
    ['with a host name that is a path', { hostname: '../x' }, 'config.hostname'],
    ['with a host name of two lines', { hostname: 'a\nb' }, 'config.hostname'],
    [
      'with DNS servers that are lines',
      { dnsConfig: { servers: ['::1\noptions x'] } },
      'config.dns_config.servers[0]',
    ],
    [
      'with a cgroup parent of two lines',
      { linux: { cgroupParent: '/a\nb' } },
      'config.linux.cgroup_parent',
    ],
    [
      'with a cgroup parent elsewhere',
      { linux: { cgroupParent: '/a/../../b' } },
      'config.linux.cgroup_parent',
    ],
    [
      'with the processes of a container',
      namespaces({ pid: 3, targetId: 'x' }),
      'TARGET is for containers',
    ],
    [
      'with users that there are not',
      namespaces({ pid: 1, usernsOptions: { mode: 0, uids: [beyond], gids: [beyond] } }),
      'goes beyond the ids',
    ],
    [
      'with 12 MiB of annotations',
      { annotations: { a: 'x'.repeat(12 * MiB) } },
      'labels and annotations are',
    ],
    [
      'with 200 000 labels',
      {
        labels: Object.fromEntries(Array.from({ length: 200_000 }, (_, n) => [`label-${n}`, 'v'])),
      },
      'labels and annotations are',
    ],
  ];
  for (const [what, overrides, words] of odd) {
    test(what, async ({ daemon }) => {
      await expect(runPod(daemon, overrides)).rejects.toMatchObject({
        code: INVALID_ARGUMENT,
        details: expect.stringContaining(words),
      });
      expect((await daemon.cri.listPodSandbox({})).items).toEqual([]);
    });
  }
});

describe('a container is refused, and leaves nothing,', () => {
  const odd: [string, Draft<ContainerConfig>, string][] = [
    ['with a NUL in an argument', { command: ['sh', '-c', 'a\0b'] }, 'config.command[2]'],
    [
      'with a NUL in a variable',
      { envs: [{ key: 'A', value: Buffer.from('x\0y') }] },
      'config.envs[0].value',
    ],
    ['with a NUL in a mount', mount('/a\0b'), 'config.mounts[0].container_path'],
    [
      'with a variable that is not text',
      { envs: [{ key: 'A', value: Buffer.from([0xff]) }] },
      'config.envs[0].value: is not UTF-8',
    ],
    [
      'with a variable whose name has a =',
      { envs: [{ key: 'A=B', value: Buffer.from('x') }] },
      'config.envs[0].key',
    ],
    [
      'with an argument that no kernel takes',
      { args: ['x'.repeat(200_000)] },
      'config.args[0]: is 200000 bytes',
    ],
    [
      'with a variable that no kernel takes',
      { envs: [{ key: 'A', value: Buffer.alloc(200_000, 'x') }] },
      'config.envs[0]: is 200002 bytes',
    ],
    ['with a mount over its root', mount('/'), 'config.mounts[0].container_path'],
    [
      'with a mount over its root, in other words',
      mount('//./'),
      'config.mounts[0].container_path',
    ],
    ['with a mount at a relative path', mount('a/b'), 'config.mounts[0].container_path'],
    ['with a mount of a relative path', mount('/a', 'b'), 'config.mounts[0].host_path'],
    ['with a device that is missing', device('/dev/nonesuch'), '"/dev/nonesuch" is missing'],
    ['with a device that is none', device('/etc/passwd'), '"/etc/passwd" is no device'],
    ['with a device without permissions', device('/dev/null', ''), 'permissions ""'],
    ['with user -1', security({ runAsUser: { value: -1 } }), 'run_as_user: -1'],
    [
      'with the user that means none',
      security({ runAsUser: { value: 2 ** 32 - 1 } }),
      'run_as_user: 4294967295',
    ],
    [
      'with a masked path that is relative',
      security({ maskedPaths: ['proc/x'] }),
      'masked_paths[0]',
    ],
    [
      'with the processes of a pod that shares none',
      namespaces({ pid: NamespaceMode.POD }),
      'pid namespace POD',
    ],
    ['with a log outside of the pod’s', { logPath: '../../x' }, 'config.log_path'],
    ['with an oom_score_adj of 5000', resources({ oomScoreAdj: 5000 }), 'oom_score_adj: 5000'],
    [
      'with less than no memory',
      resources({ memoryLimitInBytes: -5 }),
      'memory_limit_in_bytes: -5',
    ],
    ['with less than no shares', resources({ cpuShares: -1 }), 'cpu_shares: -1'],
    ['with processors by name', resources({ cpusetCpus: 'all' }), 'cpuset_cpus: "all"'],
    ['with processors in two lines', resources({ cpusetCpus: '0\n1' }), 'cpuset_cpus'],
    [
      'with pages of a size without unit',
      resources({ hugepageLimits: [{ pageSize: '../x', limit: 1 }] }),
      '"../x" is no size',
    ],
    [
      'with 12 MiB of annotations',
      { annotations: { a: 'x'.repeat(12 * MiB) } },
      'labels and annotations are',
    ],
    [
      'with a seccomp profile without end',
      security({ seccomp: { profileType: 2, localhostRef: '/dev/zero' } }),
      '"/dev/zero"',
    ],
  ];
  for (const [what, overrides, words] of odd) {
    test(what, async ({ daemon, busybox }) => {
      const pod = await runPod(daemon);
      const config = containerConfig(busybox, { ...forever, ...overrides });
      await expect(createContainer(daemon.cri, pod, config)).rejects.toMatchObject({
        code: INVALID_ARGUMENT,
        details: expect.stringContaining(words),
      });
      expect((await daemon.cri.listContainers({})).containers).toEqual([]);
    });
  }

  test('with a host path that goes round in circles or through a file', async ({
    daemon,
    busybox,
  }) => {
    const pod = await runPod(daemon);
    const folder = join(daemon.place.directory, 'circle');
    mkdirSync(folder);
    symlinkSync('loop', join(folder, 'loop'));
    writeFileSync(join(folder, 'file'), '');
    for (const path of ['loop', 'file/below']) {
      const config = containerConfig(busybox, mount('/a', join(folder, path)));
      await expect(createContainer(daemon.cri, pod, config)).rejects.toMatchObject({
        code: INVALID_ARGUMENT,
        details: expect.stringContaining(`host path "${folder}/${path}"`),
      });
    }
  });
});

describe('a container runs', () => {
  test('with the folder of devices of the node', async ({ daemon, busybox }) => {
    const { status: end, stdout } = await run(daemon, busybox, {
      ...mount('/dev', '/dev'),
      command: sh(
        '[ -c /dev/null ] && [ -c /dev/loop-control -o -c /dev/kmsg -o -c /dev/fuse ] && echo yes',
      ),
    });
    expect([end.exitCode, stdout]).toEqual([0, 'yes\n']);
  });

  test('with mounts over /proc and /sys, which are the node’s then', async ({
    daemon,
    busybox,
  }) => {
    const mounts = [
      { containerPath: '/proc', hostPath: '/proc' },
      { containerPath: '/sys', hostPath: '/sys' },
    ];
    const { stdout } = await run(daemon, busybox, {
      mounts,
      command: sh(`[ -d /proc/${process.pid} ] && echo yes`),
    });
    expect(stdout).toBe('yes\n');
  });

  test('with the last of two mounts at one place, however that is written', async ({
    daemon,
    busybox,
  }) => {
    const folder = join(daemon.place.directory, 'twice');
    const mounts = ['one', 'two'].map((name, index) => {
      mkdirSync(join(folder, name), { recursive: true });
      writeFileSync(join(folder, name, name), '');
      return { containerPath: index === 0 ? '/data/' : '//data', hostPath: join(folder, name) };
    });
    const { stdout } = await run(daemon, busybox, { mounts, command: sh('ls /data') });
    expect(stdout).toBe('two\n');
  });

  test('with a name and a log beyond ASCII', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon, { logDirectory: join(daemon.place.directory, 'журнал-🐶') });
    const metadata = { name: 'コンテナ', attempt: 0 };
    const config = { metadata, logPath: 'ログ.log', command: sh('echo ☃') };
    const { status: end, stdout } = await runToEnd(
      daemon.cri,
      pod,
      containerConfig(busybox, config),
    );
    expect({ exitCode: end.exitCode, stdout }).toEqual({ exitCode: 0, stdout: '☃\n' });
  });

  test('as the last user that there is', async ({ daemon, busybox }) => {
    const config = { ...security({ runAsUser: { value: 2 ** 32 - 2 } }), command: sh('id -u') };
    expect((await run(daemon, busybox, config)).stdout).toBe('4294967294\n');
  });

  test('with an oom_score_adj that this node cannot lower, at the lowest that it can', async ({
    daemon,
    busybox,
  }) => {
    const config = {
      ...resources({ oomScoreAdj: -1000 }),
      command: sh('cat /proc/self/oom_score_adj'),
    };
    const { status: end, stdout } = await run(daemon, busybox, config);
    expect(end.exitCode).toBe(0);
    expect(Number(stdout)).toBeLessThanOrEqual(0);
  });

  test('with as much memory as 63 bits can say', async ({ daemon, busybox }) => {
    // More than a number can: protobufjs takes texts as well.
    const config = {
      ...resources({ memoryLimitInBytes: '9223372036854775807' }),
      command: sh('id'),
    };
    expect((await run(daemon, busybox, config)).status.exitCode).toBe(0);
  });

  test('on an /etc of the node, with the names of its pod', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon, { dnsConfig: { servers: ['10.9.8.7'] } });
    const hostPath = join(daemon.place.directory, 'etc');
    const command = sh('cat /etc/resolv.conf /etc/hostname');
    const config = containerConfig(busybox, { ...mount('/etc', hostPath), command });
    const { stdout } = await runToEnd(daemon.cri, pod, config);
    expect(stdout).toBe(`nameserver 10.9.8.7\n${pod.config.hostname}\n`);
  });

  test('with two thousand mounts', async ({ daemon, busybox }) => {
    const hostPath = join(daemon.place.directory, 'many');
    mkdirSync(hostPath);
    const mounts = Array.from({ length: 2000 }, (_, n) => ({ containerPath: `/m/${n}`, hostPath }));
    const { stdout } = await run(daemon, busybox, { mounts, command: sh('ls /m | wc -l') });
    expect(stdout).toBe('2000\n');
  });
});
