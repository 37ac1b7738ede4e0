import { existsSync } from 'node:fs';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCgroupfs } from 'cgroupfs-ts';
import { execa } from 'execa';
import { expect } from 'vitest';
import type { Daemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import { launcher } from './harness/gantry.ts';
import { containerConfig, forever, runContainer, runPod } from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

type Finding = { check: string; status: string; detail: string; mend?: string };

async function doctor({ place }: Daemon, ...args: readonly string[]) {
  const { exitCode, stdout } = await execa(
    launcher,
    ['doctor', '--json', '--config', place.config, ...args],
    { reject: false },
  );
  const findings: Finding[] = JSON.parse(stdout);
  return { exitCode, findings, problems: findings.filter(({ status }) => status === 'problem') };
}

test('finds no problem where pods run', async ({ daemon, busybox }) => {
  const pod = await runPod(daemon);
  await runContainer(daemon.cri, pod, containerConfig(busybox, forever));
  const { exitCode, findings, problems } = await doctor(daemon);
  expect(problems).toEqual([]);
  expect(exitCode).toBe(0);
  const checks = findings.map(({ check }) => check);
  for (const check of [
    'kernel: overlayfs',
    'cgroups',
    'program: conmon',
    'disk: root',
    'gantryd',
  ]) {
    expect(checks).toContain(check);
  }
  expect(findings).toContainEqual({ check: 'leaks', status: 'ok', detail: 'none' });
  // That of the image.
  expect(findings).toContainEqual(
    expect.objectContaining({ check: `registry: ${busybox.split('/')[0]}`, status: 'ok' }),
  );
});

test('says once that the database cannot be read, and what may mend it', async ({ daemon }) => {
  const root = join(daemon.place.directory, 'damaged');
  await mkdir(root);
  const path = join(root, 'gantry.db');
  await writeFile(path, 'no database'.repeat(100));
  await daemon.kill();
  const { findings, problems } = await doctor(daemon, '--root', root);
  await daemon.start();
  expect(problems).toContainEqual({
    check: 'database',
    status: 'problem',
    detail: `read the state database "${path}": file is not a database`,
    mend: `sqlite3 ${path} .recover`,
  });
  expect(findings.filter(({ detail }) => detail.includes('not a database'))).toHaveLength(1);
});

test('finds what a pod that is gone has left', async ({ daemon }) => {
  const id = 'f'.repeat(64);
  const folder = join(daemon.place.state, 'sandboxes', id);
  await mkdir(folder);
  const { exitCode, findings } = await doctor(daemon);
  // Before the test's own check for what is left.
  await rmdir(folder);
  expect(exitCode).toBe(0);
  expect(findings).toContainEqual({
    check: 'leaks: folder',
    status: 'warning',
    detail: `${folder} is of no pod`,
    mend: 'systemctl restart gantryd',
  });
});

test('finds a cgroup that the last pod has left', async ({ daemon }) => {
  const { mounts } = openCgroupfs();
  const top = mounts.unified ?? mounts.legacy.get('memory') ?? '';
  const cgroup = join(top, daemon.place.cgroupParent, 'f'.repeat(64));
  await mkdir(cgroup, { recursive: true });
  const { findings } = await doctor(daemon);
  await rmdir(cgroup);
  expect(findings).toContainEqual({
    check: 'leaks: cgroup',
    status: 'warning',
    detail: `${cgroup} is of no pod`,
    mend: `rmdir ${cgroup}`,
  });
});

test('finds a container without its monitor, and a registry that does not answer', async ({
  daemon,
  busybox,
}) => {
  const pod = await runPod(daemon);
  const id = await runContainer(daemon.cri, pod, containerConfig(busybox, forever));
  const pidFile = join(daemon.place.state, 'containers', id, 'conmon.pid');
  await eventually('the monitor has written its pid', () => existsSync(pidFile));
  process.kill(Number(await readFile(pidFile, 'utf8')), 'SIGKILL');
  const { exitCode, problems, findings } = await doctor(daemon, '--registry', '127.0.0.1:1');
  expect(exitCode).toBe(1);
  expect(problems).toMatchObject([{ check: 'monitor', detail: expect.stringContaining('no log') }]);
  expect(findings).toContainEqual(
    expect.objectContaining({
      check: 'registry: 127.0.0.1:1',
      status: 'warning',
      detail: expect.stringContaining('ECONNREFUSED'),
    }),
  );
});

test('tells what is wrong with the configuration', async ({ daemon }) => {
  const file = join(daemon.place.directory, 'wrong.toml');
  await writeFile(file, `root = "${daemon.place.root}"\n[network]\nbrige = "x"\n`);
  const { exitCode, stdout } = await execa(launcher, ['doctor', '--json', '--config', file], {
    reject: false,
  });
  expect(exitCode).toBe(1);
  expect(JSON.parse(stdout)).toContainEqual({
    check: 'configuration',
    status: 'problem',
    detail: expect.stringContaining('unknown key "network.brige"'),
    mend: 'gantryd config default',
  });
});

test('looks at what it can where the configuration cannot be read', async ({ daemon }) => {
  const file = join(daemon.place.directory, 'broken.toml');
  await writeFile(file, 'root = \n');
  const { exitCode, findings } = await doctor(
    daemon,
    '--config',
    file,
    '--address',
    daemon.place.adminSocket,
  );
  expect(exitCode).toBe(1);
  const detail = expect.stringMatching(
    /^gantryd: read the configuration ".*": Invalid TOML.*root =/,
  );
  expect(findings).toContainEqual(expect.objectContaining({ status: 'problem', detail }));
  expect(findings).toContainEqual(expect.objectContaining({ check: 'gantryd', status: 'ok' }));
});
