import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, onTestFinished } from 'vitest';
import type { Daemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import { gantry, gantryOutcome, launcher } from './harness/gantry.ts';
import { containerConfig, exec, forever, runContainer, runPod } from './harness/pods.ts';

/** A container with the name `main`; returns its id. */
async function runMain(daemon: Daemon, image: string): Promise<string> {
  const config = containerConfig(image, { metadata: { name: 'main', attempt: 0 }, ...forever });
  return runContainer(daemon.cri, await runPod(daemon), config);
}

async function scratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-cli-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

test('copies trees both ways as they are', async ({ daemon, busybox }) => {
  const { cri, place } = daemon;
  const id = await runMain(daemon, busybox);
  const folder = await scratch();
  await mkdir(join(folder, 'site/deep'), { recursive: true });
  await writeFile(join(folder, 'site/deep/file'), 'content', { mode: 0o640 });
  await writeFile(join(folder, 'site/large'), Buffer.alloc(5_000_000, 'x'));
  await symlink('deep/file', join(folder, 'site/link'));
  await gantry(place, 'cp', join(folder, 'site'), 'main:/home');
  const listed = await exec(cri, id, 'cat /home/site/link; stat -c "%a %U %s" /home/site/*/file');
  expect(listed.stdout).toBe('content640 root 7\n');
  await gantry(place, 'cp', 'main:/home/site', join(folder, 'back'));
  expect(await readlink(join(folder, 'back/link'))).toBe('deep/file');
  expect(await readFile(join(folder, 'back/large'))).toEqual(Buffer.alloc(5_000_000, 'x'));
  const before = await stat(join(folder, 'site/deep/file'));
  const after = await stat(join(folder, 'back/deep/file'));
  expect({ mode: after.mode, mtime: after.mtime }).toEqual({
    mode: before.mode,
    mtime: before.mtime,
  });
});

test('is led out of the container by no link', async ({ daemon, busybox }) => {
  const { cri, place } = daemon;
  const id = await runMain(daemon, busybox);
  const folder = await scratch();
  const outside = join(folder, 'outside');
  await mkdir(outside);
  await writeFile(join(folder, 'file'), 'x');
  const script = `mkdir -p /srv; ln -s ${outside} /srv/out; ln -s ../../../../.. /srv/up;
    ln -s /etc/shadow /srv/secret; mkdir -p ${outside}`;
  expect(await exec(cri, id, script)).toMatchObject({ exitCode: 0 });
  await gantry(place, 'cp', join(folder, 'file'), 'main:/srv/out/one');
  await gantry(place, 'cp', join(folder, 'file'), 'main:/srv/up/two');
  await gantry(place, 'cp', join(folder, 'file'), 'main:/../../../../../../three');
  expect(existsSync(join(outside, 'one'))).toBe(false);
  expect(existsSync('/two') || existsSync('/three')).toBe(false);
  const found = await exec(cri, id, `ls ${outside}/one /two /three`);
  expect(found).toMatchObject({ exitCode: 0 });
  await gantry(place, 'cp', 'main:/srv/secret', join(folder, 'secret'));
  expect(await readlink(join(folder, 'secret'))).toBe('/etc/shadow');
});

test('takes and gives archives', async ({ daemon, busybox }) => {
  const { cri, place } = daemon;
  const id = await runMain(daemon, busybox);
  const folder = await scratch();
  await writeFile(join(folder, 'file'), 'content');
  const { stdout: archive } = await execa('tar', ['-C', folder, '-c', 'file'], {
    encoding: 'buffer',
  });
  const env = { GANTRY_ADDRESS: place.adminSocket };
  await execa(launcher, ['cp', '-', 'main:/home'], { env, input: archive });
  expect(await exec(cri, id, 'cat /home/file')).toMatchObject({ stdout: 'content' });
  const { stdout } = await execa(launcher, ['cp', 'main:/home/file', '-'], {
    env,
    encoding: 'buffer',
  });
  const listed = await execa('tar', ['-t'], { input: stdout });
  // Nothing of the folder itself, whose mode would become that of the one that it is unpacked in.
  expect(listed.stdout).toBe('./file');
});

test('makes no programs that run as root of the node of what a container has', async ({
  daemon,
  busybox,
}) => {
  const { cri, place } = daemon;
  const id = await runMain(daemon, busybox);
  const folder = await scratch();
  const script = 'cp /bin/busybox /tmp/x; chown 1000:1000 /tmp/x; chmod 6755 /tmp/x';
  expect(await exec(cri, id, script)).toMatchObject({ exitCode: 0 });
  await gantry(place, 'cp', 'main:/tmp/x', join(folder, 'x'));
  expect(await stat(join(folder, 'x'))).toMatchObject({ uid: 0, mode: 0o100_755 });
  await gantry(place, 'cp', '-a', 'main:/tmp/x', join(folder, 'archived'));
  expect(await stat(join(folder, 'archived'))).toMatchObject({ uid: 1000, mode: 0o106_755 });
  await gantry(place, 'cp', join(folder, 'archived'), 'main:/tmp/back');
  expect(await exec(cri, id, 'stat -c "%a %u" /tmp/back')).toMatchObject({ stdout: '6755 0\n' });
});

test('tells of what it leaves out, harmlessly to a terminal', async ({ daemon, busybox }) => {
  const { cri, place } = daemon;
  const id = await runMain(daemon, busybox);
  await exec(cri, id, String.raw`mkdir /srv; mkfifo "$(printf '/srv/a\033[2Jb')"`);
  for (const target of ['-', join(await scratch(), 'srv')]) {
    const { exitCode, stderr } = await gantryOutcome(place, 'cp', 'main:/srv', target);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: String.raw`gantry: left out "a\x1b[2Jb": no file, directory or symbolic link`,
    });
  }
});

test.for([
  [['cp', 'main:/none', '.'], 'there is no "main:/none"'],
  [['cp', '/none', 'main:/'], 'there is no "/none"'],
  [['cp', '/etc/passwd', 'main:/none/x'], 'there is no directory for "main:/none/x"'],
  [['cp', '/etc/passwd', '/tmp'], 'one of the two must be CONTAINER:PATH'],
  [['cp', 'main:/etc', 'main:/tmp'], 'one of the two must be CONTAINER:PATH'],
  [['cp', '/etc/passwd', 'main:/sys/'], 'gantry: copy "passwd": EROFS: read-only file system'],
  [['cp', '/etc/passwd', 'main:/dev/null/x'], 'there is no directory for "main:/dev/null/x"'],
] as const)('refuses %j', async ([args, message], { daemon, busybox }) => {
  await runMain(daemon, busybox);
  const { exitCode, stderr } = await gantryOutcome(daemon.place, ...args);
  expect(exitCode).not.toBe(0);
  expect(stderr).toContain(message);
});

test('writes over what is mounted, and copies from a container that has ended', async ({
  daemon,
  busybox,
}) => {
  const { cri, place } = daemon;
  const id = await runMain(daemon, busybox);
  const folder = await scratch();
  await writeFile(join(folder, 'hosts'), '127.0.0.1 localhost added\n');
  await gantry(place, 'cp', join(folder, 'hosts'), 'main:/etc/hosts');
  expect(await exec(cri, id, 'cat /etc/hosts; echo kept > /kept')).toMatchObject({
    stdout: '127.0.0.1 localhost added\n',
  });
  await cri.stopContainer({ containerId: id });
  await gantry(place, 'cp', 'main:/kept', join(folder, 'kept'));
  expect(await readFile(join(folder, 'kept'), 'utf8')).toBe('kept\n');
});
