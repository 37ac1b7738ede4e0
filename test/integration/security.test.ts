import { status } from '@grpc/grpc-js';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmdirSync } from 'node:fs';
import { describe, expect } from 'vitest';
import type { LinuxContainerSecurityContext } from '#api/cri/v1/types.ts';
import { NamespaceMode, ProfileType } from '#api/cri/v1/types.ts';
import type { Draft } from './harness/client.ts';
import { test as base } from './harness/fixture.ts';
import {
  containerConfig,
  createContainer,
  forever,
  runContainer,
  runPod,
  runToEnd,
  sh,
} from './harness/pods.ts';

type Security = Draft<LinuxContainerSecurityContext>;

/** `output` runs a script under a security context, in a pod that is privileged if the container is. */
const test = base.extend('output', async ({ daemon, busybox }) => {
  return async (security: Security, script: string): Promise<string> => {
    const privileged = security.privileged ?? false;
    const namespaceOptions = { pid: NamespaceMode.CONTAINER };
    const linux = { securityContext: { privileged, namespaceOptions } };
    const config = containerConfig(busybox, {
      command: sh(script),
      linux: { securityContext: security },
    });
    return (await runToEnd(daemon.cri, await runPod(daemon, { linux }), config)).stdout;
  };
});

const capability = { CHOWN: 0, NET_BIND_SERVICE: 10, NET_ADMIN: 12, SYS_ADMIN: 21 };

/** The capabilities of `capability` that a mask of /proc/self/status has. */
function capabilitiesIn(mask: string): string[] {
  const bits = BigInt(`0x${mask.trim()}`);
  return Object.entries(capability)
    .filter(([, bit]) => (bits >> BigInt(bit)) & 1n)
    .map(([name]) => name);
}

const effective = "sed -n 's/^CapEff://p' /proc/self/status";

describe('capabilities', () => {
  test('are the usual ones without a word', async ({ output }) => {
    const found = capabilitiesIn(await output({}, effective));
    expect(found).toEqual(['CHOWN', 'NET_BIND_SERVICE']);
  });

  test('are added and dropped by name, with or without CAP_', async ({ output }) => {
    const capabilities = { addCapabilities: ['NET_ADMIN'], dropCapabilities: ['CAP_CHOWN'] };
    const found = capabilitiesIn(await output({ capabilities }, effective));
    expect(found).toEqual(['NET_BIND_SERVICE', 'NET_ADMIN']);
  });

  test('are only the added ones after all are dropped', async ({ output }) => {
    const capabilities = { addCapabilities: ['NET_BIND_SERVICE'], dropCapabilities: ['ALL'] };
    const found = capabilitiesIn(await output({ capabilities }, effective));
    expect(found).toEqual(['NET_BIND_SERVICE']);
  });

  test('are never inheritable', async ({ output }) => {
    const script = "sed -n 's/^CapInh://p' /proc/self/status";
    expect(BigInt(`0x${(await output({}, script)).trim()}`)).toBe(0n);
  });
});

describe('a privileged container', () => {
  test('has every capability, the devices of the node, and a writable /sys', async ({ output }) => {
    const script = `${effective}; [ -e /dev/kmsg ] && echo devices; grep -c ' /sys sysfs rw' /proc/mounts`;
    const [mask = '', devices, writable] = (await output({ privileged: true }, script)).split('\n');
    expect(capabilitiesIn(mask)).toEqual(Object.keys(capability));
    expect([devices, writable]).toEqual(['devices', '1']);
  });

  test('has its own standard input and output in /dev', async ({ output }) => {
    const script =
      'echo told | cat /dev/stdin >/dev/stdout; readlink /dev/stdin; readlink /dev/stderr';
    const links = '/proc/self/fd/0\n/proc/self/fd/2\n';
    expect(await output({ privileged: true }, script)).toBe(`told\n${links}`);
  });

  test('is refused in a pod that is not', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon);
    const config = containerConfig(busybox, {
      ...forever,
      linux: { securityContext: { privileged: true } },
    });
    await expect(createContainer(daemon.cri, pod, config)).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('privileged'),
    });
  });
});

describe('confinement', () => {
  test('no_new_privs is set when asked for', async ({ output }) => {
    const script = "sed -n 's/^NoNewPrivs:\\t//p' /proc/self/status";
    expect(await output({ noNewPrivs: true }, script)).toBe('1\n');
    expect(await output({ noNewPrivs: false }, script)).toBe('0\n');
  });

  test('masked paths are empty and read-only paths cannot be written', async ({ output }) => {
    const paths = {
      maskedPaths: ['/proc/timer_list', '/sys/firmware'],
      readonlyPaths: ['/proc/sys'],
    };
    const script =
      'cat /proc/timer_list | wc -c; ls /sys/firmware | wc -l; echo 1 >/proc/sys/kernel/sysrq || echo refused';
    expect(await output(paths, script)).toBe('0\n0\nrefused\n');
  });

  test('the default seccomp profile refuses, no profile does not', async ({ output }) => {
    const script =
      "sed -n 's/^Seccomp:\\t//p' /proc/self/status; unshare -U true && echo made || echo refused";
    const profileType = ProfileType.RuntimeDefault;
    expect(await output({ seccomp: { profileType } }, script)).toBe('2\nrefused\n');
    expect((await output({}, script)).split('\n')[0]).toBe('0');
  });

  test('the process namespace is its own, that of the pod’s containers or that of the node', async ({
    daemon,
    busybox,
  }) => {
    const { cri } = daemon;
    const namespaceOf = async (pid: NamespaceMode) => {
      const linux = { securityContext: { namespaceOptions: { pid } } };
      const pod = await runPod(daemon, { linux });
      const command = sh('readlink /proc/self/ns/pid; echo $$');
      const { stdout } = await runToEnd(cri, pod, containerConfig(busybox, { command, linux }));
      const [namespace, self] = stdout.split('\n');
      return { namespace, isFirst: self === '1' };
    };
    const own = await namespaceOf(NamespaceMode.CONTAINER);
    const node = await namespaceOf(NamespaceMode.NODE);
    expect(own.isFirst).toBe(true);
    expect(node.isFirst).toBe(false);
    expect(node.namespace).not.toBe(own.namespace);
  });
});

/** The cgroups below `parent`, in every hierarchy, the deepest first. */
function cgroupsBelow(parent: string): string[] {
  const args = ['/sys/fs/cgroup', '-depth', '-type', 'd', '-path', `*${parent}*`];
  return execFileSync('find', args, { encoding: 'utf8' }).split('\n').filter(Boolean);
}

test('cgroups are below the parent that a pod brings, and go before it does', async ({
  daemon,
  busybox,
}) => {
  const { place, cri } = daemon;
  const kubepods = `${place.cgroupParent}-kubepods`;
  const cgroupParent = `${kubepods}/burstable/pod-uid`;
  const pod = await runPod(daemon, { linux: { cgroupParent } });
  const command = ['/bin/sleep', '71234'];
  const id = await runContainer(cri, pod, containerConfig(busybox, { command }));
  const { info } = await cri.containerStatus({ containerId: id, verbose: true });
  const { pid } = JSON.parse(info['info'] ?? '{}');
  expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).toContain(`:${cgroupParent}/`);

  await cri.removePodSandbox({ podSandboxId: pod.id });
  expect(cgroupsBelow(`${cgroupParent}/`)).toEqual([]);
  for (const path of cgroupsBelow(kubepods)) rmdirSync(path);
});

test('a cgroup that came with pods goes with the last of them, though others come meanwhile', async ({
  daemon,
}) => {
  const cgroupParent = `${daemon.place.cgroupParent}-shared/pods`;
  // Their init makes the cgroup.
  const securityContext = { namespaceOptions: { pid: NamespaceMode.POD } };
  const comeAndGo = async () => {
    const { id } = await runPod(daemon, { linux: { cgroupParent, securityContext } });
    await daemon.cri.removePodSandbox({ podSandboxId: id });
  };
  await Promise.all(Array.from({ length: 12 }, comeAndGo));
  expect(cgroupsBelow(`${daemon.place.cgroupParent}-shared`)).toEqual([]);
});
