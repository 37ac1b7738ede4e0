import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, rmdir, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { expect, inject, test } from 'vitest';
import { startDaemon } from './harness/daemon.ts';
import { buildImage, buildLayer } from './harness/image.ts';
import {
  containerConfig,
  forever,
  runContainer,
  runPod,
  runToEnd,
  uniqueName,
} from './harness/pods.ts';
import { push } from './harness/registry.ts';
import { eventually } from './harness/wait.ts';

const sizeBytes = 48 << 20;

/** A file system of 48 MiB. */
async function smallDisk() {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'gantry-test', directory]);
  return {
    directory,
    usedBytes: async () => {
      const { blocks, bfree, bsize } = await statfs(directory);
      return (blocks - bfree) * bsize;
    },
    [Symbol.asyncDispose]: async () => {
      execFileSync('umount', [directory]);
      await rmdir(directory);
    },
  };
}

test('a pull that does not fit says so and leaves nothing', async () => {
  await using disk = await smallDisk();
  await using daemon = await startDaemon({ directory: disk.directory });
  const { cri } = daemon;
  const content = randomBytes(sizeBytes);
  const image = buildImage([buildLayer([{ type: 'file', path: 'large', content }])]);
  const reference = await push(inject('registry').host, image, uniqueName('large'));
  const beforeBytes = await disk.usedBytes();
  await expect(cri.pullImage({ image: { image: reference } })).rejects.toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    details: expect.stringMatching(/ENOSPC|no space/i),
  });
  expect((await cri.listImages({})).images).toEqual([]);
  await eventually(
    'what was written is removed',
    async () => (await disk.usedBytes()) < beforeBytes + (4 << 20),
  );

  const busybox = inject('busybox');
  await cri.pullImage({ image: { image: busybox } });
  const command = ['/bin/echo', 'fits'];
  const { stdout } = await runToEnd(
    cri,
    await runPod(daemon),
    containerConfig(busybox, { command }),
  );
  expect(stdout).toBe('fits\n');
});

test('a pod on a full disk says so, and works once there is room', async () => {
  await using disk = await smallDisk();
  await using daemon = await startDaemon({ directory: disk.directory });
  const { cri } = daemon;
  const busybox = inject('busybox');
  await cri.pullImage({ image: { image: busybox } });
  const running = await runContainer(cri, await runPod(daemon), containerConfig(busybox, forever));
  const filler = join(disk.directory, 'filler');
  await writeFile(filler, randomBytes(sizeBytes)).catch(() => {});

  const exec = cri.execSync({ containerId: running, cmd: ['true'], timeout: 5 });
  await expect(exec).rejects.toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    details: expect.stringMatching(new RegExp(`exec in .*${running}".*write ".*exec-.*ENOSPC`)),
  });
  const files = await readdir(join(daemon.place.state, 'containers', running));
  expect(files.filter((name) => name.startsWith('exec-'))).toEqual([]);

  const config = containerConfig(busybox, { command: ['/bin/echo', 'room'] });
  const attempt = async () => runToEnd(cri, await runPod(daemon), config);
  await expect(attempt()).rejects.toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    details: expect.stringMatching(/ENOSPC|no space|disk is full/i),
  });
  await rm(filler);
  await daemon.removeAllPods();
  expect(await daemon.leaks()).toEqual([]);
  expect((await attempt()).stdout).toBe('room\n');
});
