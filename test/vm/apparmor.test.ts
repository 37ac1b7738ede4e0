import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import {
  type LinuxContainerSecurityContext,
  NamespaceMode,
  ProfileType,
} from '#api/cri/v1/types.ts';
import type { Daemon } from '#harness/daemon.ts';
import type { Draft } from '#harness/client.ts';
import { test } from '#harness/fixture.ts';
import { containerConfig, exec, forever, runContainer, runPod } from '#harness/pods.ts';

type Security = Draft<LinuxContainerSecurityContext>;

const profileName = 'gantry-test-profile';
const profile = `profile ${profileName} flags=(attach_disconnected) {
  network, capability, file, umount, signal, ptrace,
  deny /tmp/forbidden w,
}`;
const parser = (option: string) =>
  execFileSync('apparmor_parser', [option, '--skip-cache'], { input: profile });

beforeAll(() => void parser('--replace'));
afterAll(() => void parser('--remove'));

const localhost = (localhostRef: string): Security => ({
  apparmor: { profileType: ProfileType.Localhost, localhostRef },
});

const none: Security = { apparmor: { profileType: ProfileType.Unconfined } };

/** A running container with these wishes. */
async function run(daemon: Daemon, image: string, securityContext: Security): Promise<string> {
  const { privileged = false } = securityContext;
  // Process 1 of a pod that shares its processes is its init, which no profile confines.
  const namespaceOptions = { pid: NamespaceMode.CONTAINER };
  const pod = await runPod(daemon, {
    linux: { securityContext: { privileged, namespaceOptions } },
  });
  const linux = { securityContext: { namespaceOptions, ...securityContext } };
  const config = containerConfig(image, { ...forever, linux });
  return runContainer(daemon.cri, pod, config);
}

/** What confines the container's first process, and commands that are run beside it. */
async function confinement({ cri }: Daemon, id: string): Promise<string> {
  const { stdout } = await exec(cri, id, 'cat /proc/1/attr/current /proc/self/attr/current');
  const [first, command] = stdout.trim().split('\n');
  expect(command).toBe(first);
  return first ?? '';
}

const loaded = () => readFileSync('/sys/kernel/security/apparmor/profiles', 'utf8');

const own = 'gantry-default (enforce)';

describe('an AppArmor profile', () => {
  test.for<[string, Security, string]>([
    ['that is not named is the default one', {}, own],
    ['that is the default one', { apparmor: { profileType: ProfileType.RuntimeDefault } }, own],
    ['by its old name', { apparmorProfile: 'runtime/default' }, own],
    ['of the node', localhost(profileName), `${profileName} (enforce)`],
    [
      'of the node, with a prefix as critest sends it',
      localhost(`localhost/${profileName}`),
      `${profileName} (enforce)`,
    ],
    [
      'of the node by its old name',
      { apparmorProfile: `localhost/${profileName}` },
      `${profileName} (enforce)`,
    ],
    ['that is none', none, 'unconfined'],
    ['of a privileged container is none', { privileged: true }, 'unconfined'],
    [
      'of a privileged container that names one',
      { privileged: true, ...localhost(profileName) },
      `${profileName} (enforce)`,
    ],
  ])('%s', async ([, wishes, expected], { daemon, busybox }) => {
    expect(await confinement(daemon, await run(daemon, busybox, wishes))).toBe(expected);
  });

  test('that is not loaded is refused, by name', async ({ daemon, busybox }) => {
    await expect(run(daemon, busybox, localhost('not-there'))).rejects.toMatchObject({
      details: expect.stringContaining('profile "not-there" is not loaded'),
    });
  });

  test('is enforced', async ({ daemon, busybox }) => {
    const id = await run(daemon, busybox, localhost(profileName));
    const script = 'mkdir -p /tmp; echo a >/tmp/allowed && echo ok; echo b >/tmp/forbidden';
    const { stdout, stderr } = await exec(daemon.cri, id, script);
    expect(stdout).toBe('ok\n');
    expect(stderr).toContain('Permission denied');
  });
});

describe('the default AppArmor profile', () => {
  const root: Security = { capabilities: { addCapabilities: ['ALL'] } };

  test('keeps a container with all capabilities from the node', async ({ daemon, busybox }) => {
    const confined = await run(daemon, busybox, root);
    const unconfined = await run(daemon, busybox, { ...root, ...none });
    const mount = 'mkdir -p /m; mount -t tmpfs none /m';
    expect(await exec(daemon.cri, unconfined, mount)).toMatchObject({ exitCode: 0 });
    expect(await exec(daemon.cri, confined, mount)).not.toMatchObject({ exitCode: 0 });
    for (const file of [
      '/proc/sysrq-trigger',
      '/proc/sys/kernel/printk',
      '/sys/kernel/profiling',
    ]) {
      const { stderr } = await exec(daemon.cri, confined, `echo 1 >${file}`);
      expect(stderr, file).toMatch(/Permission denied|Read-only file system/);
    }
    const { stdout } = await exec(
      daemon.cri,
      confined,
      'cat /sys/kernel/security/apparmor/profiles',
    );
    expect(stdout).toBe('');
  });

  test('lets it write to its processes, and signal and trace them', async ({ daemon, busybox }) => {
    const id = await run(daemon, busybox, {});
    const script =
      'echo 100 >/proc/self/oom_score_adj && echo set; sleep 100 & kill -9 $!; wait $!; echo $?; ls -l /proc/1/exe';
    const { stdout } = await exec(daemon.cri, id, script);
    expect(stdout).toContain('set\n137\n');
    expect(stdout).toContain('/proc/1/exe -> /bin/');
  });

  test('is loaded again when it was removed', async ({ daemon, busybox }) => {
    execFileSync('apparmor_parser', ['--remove'], { input: 'profile gantry-default {}' });
    expect(loaded()).not.toContain('gantry-default');
    expect(await confinement(daemon, await run(daemon, busybox, {}))).toBe(own);
  });

  test('does not keep a container from being stopped', async ({ daemon, busybox }) => {
    const containerId = await run(daemon, busybox, {});
    const begun = performance.now();
    await daemon.cri.stopContainer({ containerId, timeout: 600 });
    expect(performance.now() - begun).toBeLessThan(300_000);
  });
});
