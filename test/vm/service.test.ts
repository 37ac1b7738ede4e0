import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { ContainerState } from '#api/cri/v1/types.ts';
import { eventually } from '#harness/wait.ts';
import {
  cri,
  daemonPid,
  pidOf,
  removeAllPods,
  type Running,
  runOne,
  systemctl,
} from './installed.ts';

const image = inject('busybox');
const packages = readdirSync('/gantry').filter((name) => /^gantry_.*\.deb$/.test(name));

beforeAll(async () => {
  expect(packages).toHaveLength(1);
  execFileSync('dpkg', ['--install', `/gantry/${packages[0]}`]);
  await cri.pullImage({ image: { image } });
});

afterEach(removeAllPods);

const scopes = () => systemctl('list-units', '--all', '--type=scope', '--no-legend');

/** Waits until the daemon answers and has the container as it was, running in the same process. */
async function goesOn({ container, pid }: Running): Promise<void> {
  const { status } = await eventually(
    'the daemon answers',
    async () => cri.containerStatus({ containerId: container }).catch(() => undefined),
    60_000,
  );
  expect(status?.state).toBe(ContainerState.CONTAINER_RUNNING);
  expect(await pidOf(container)).toBe(pid);
  expect(existsSync(`/proc/${pid}`)).toBe(true);
}

describe('the package', () => {
  it('brings a daemon that runs, and starts with the machine', async () => {
    expect(systemctl('is-active', 'gantryd')).toBe('active');
    expect(systemctl('is-enabled', 'gantryd')).toBe('enabled');
    expect((await cri.version({})).runtimeName).toBe('gantry');
    expect(execFileSync('gantryd', ['config', 'check'], { encoding: 'utf8' })).toContain(
      '[network]',
    );
    expect(execFileSync('gantry', ['images', 'ls'], { encoding: 'utf8' })).toBeTypeOf('string');
  });

  it('brings its own Node, and no files for others than this machine', () => {
    const files = execFileSync('dpkg', ['--listfiles', 'gantry'], { encoding: 'utf8' }).split('\n');
    expect(readFileSync(`/proc/${daemonPid()}/cmdline`, 'utf8')).toContain('/usr/lib/gantry/');
    expect(files.filter((path) => path.endsWith('.node'))).toHaveLength(1);
    expect(files.filter((path) => /\.test\.ts$|\.d\.ts$|@types/.test(path))).toEqual([]);
  });

  it('installed over itself restarts the daemon, and containers go on', async () => {
    const running = await runOne(image);
    const before = daemonPid();
    execFileSync('dpkg', ['--install', `/gantry/${packages[0]}`]);
    await goesOn(running);
    expect(daemonPid()).not.toBe(before);
  });
});

describe('containers survive', () => {
  it('systemctl restart gantryd', async () => {
    const running = await runOne(image);
    systemctl('restart', 'gantryd');
    await goesOn(running);
  });

  it('systemctl stop gantryd, and can be stopped after its start', async () => {
    const running = await runOne(image);
    systemctl('stop', 'gantryd');
    expect(existsSync(`/proc/${running.pid}`)).toBe(true);
    systemctl('start', 'gantryd');
    await goesOn(running);
    await cri.stopContainer({ containerId: running.container, timeout: 60 });
    expect(existsSync(`/proc/${running.pid}`)).toBe(false);
  });

  it('a kill -9 of the daemon, which systemd starts again', async () => {
    const running = await runOne(image);
    const before = daemonPid();
    process.kill(before, 'SIGKILL');
    await eventually('systemd starts it again', () => ![0, before].includes(daemonPid()));
    await goesOn(running);
  });
});

describe('a pod of kubelet', () => {
  it('has its containers in scopes of its slice, and leaves none', async () => {
    const { pid, container, pod } = await runOne(image);
    const cgroup = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
    expect(cgroup).toMatch(
      /^0::\/kubepods\.slice\/kubepods-burstable\.slice\/kubepods-burstable-pod\w+\.slice\/gantry-/,
    );
    await removeAllPods();
    await eventually('its scopes are gone', () => !scopes().includes('gantry-'));
    expect(scopes()).not.toMatch(new RegExp(`${container}|${pod}`));
  });
});
