import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { startDaemon, type Daemon } from './harness/daemon.ts';
import { buildImage, buildLayer, busyboxLayer } from './harness/image.ts';
import {
  containerConfig,
  exec,
  forever,
  runContainer,
  runPod,
  runToEnd,
  shell,
  uniqueName,
} from './harness/pods.ts';
import { push } from './harness/registry.ts';
import { eventually } from './harness/wait.ts';

type Disk = AsyncDisposable & { readonly directory: string };

async function plainDisk(): Promise<Disk> {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-disk-'));
  const remove = async () => rm(directory, { recursive: true });
  return { directory, [Symbol.asyncDispose]: remove };
}

/** A directory in a new folder, after `mount` was given both. */
async function mountedDisk(mount: (folder: string, directory: string) => Promise<void>) {
  const below = await plainDisk();
  const directory = join(below.directory, 'mounted');
  await mkdir(directory);
  await mount(below.directory, directory);
  return {
    directory,
    [Symbol.asyncDispose]: async () => {
      execFileSync('umount', [directory]);
      await below[Symbol.asyncDispose]();
    },
  };
}

const overlayDisk = async (): Promise<Disk> =>
  mountedDisk(async (folder, directory) => {
    const [lower, upper, work] = ['lower', 'upper', 'work'].map((name) => join(folder, name));
    for (const each of [lower, upper, work]) await mkdir(each ?? '');
    const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    execFileSync('mount', ['-t', 'overlay', '-o', options, 'overlay', directory]);
  });

const btrfsDisk = async (): Promise<Disk> =>
  mountedDisk(async (folder, directory) => {
    const image = join(folder, 'image');
    await writeFile(image, '');
    await truncate(image, 1 << 30);
    execFileSync('mkfs.btrfs', ['--quiet', image]);
    execFileSync('mount', ['-o', 'loop', image, directory]);
  });

const start = async ({ directory }: Disk, snapshotter: string): Promise<Daemon> =>
  startDaemon({ directory, extraConfig: `[image]\nsnapshotter = "${snapshotter}"\n` });

function file(path: string, content: string) {
  return { type: 'file', path, content } as const;
}

/** The upper layer removes a file of the lower one, and changes another. */
async function pushLayers(): Promise<string> {
  const layers = [
    busyboxLayer(),
    buildLayer([file('data/changed', 'below'), file('data/kept', ''), file('data/removed', '')]),
    buildLayer([file('data/changed', 'above'), file('data/.wh.removed', '')]),
  ];
  return push(inject('registry').host, buildImage(layers), uniqueName('layers'));
}

const hasBtrfs = /\tbtrfs$/m.test(readFileSync('/proc/filesystems', 'utf8'));
const aBtrfs = hasBtrfs ? 'a btrfs' : 'a btrfs (skipped: the kernel has none)';
const kinds = [
  { kind: 'overlay', on: 'a plain disk', makeDisk: plainDisk, isMissing: false },
  { kind: 'native', on: 'a plain disk', makeDisk: plainDisk, isMissing: false },
  { kind: 'native', on: 'an overlay', makeDisk: overlayDisk, isMissing: false },
  { kind: 'btrfs', on: aBtrfs, makeDisk: btrfsDisk, isMissing: !hasBtrfs },
];

describe.each(kinds)('the snapshotter $kind on $on', ({ kind, makeDisk, isMissing }) => {
  test.skipIf(isMissing)(
    'runs pods, keeps their files across restarts, and leaves nothing',
    async () => {
      await using disk = await makeDisk();
      await using daemon = await start(disk, kind);
      const { cri } = daemon;
      const image = await pushLayers();
      await cri.pullImage({ image: { image } });
      const pod = await runPod(daemon);
      const id = await runContainer(cri, pod, containerConfig(image, forever));
      const { stdout } = await exec(cri, id, 'cat data/*; ls data; echo mine >/data/mine');
      expect(stdout).toBe('abovechanged\nkept\n');

      await daemon.kill();
      await daemon.start();
      expect((await exec(cri, id, 'cat /data/mine')).stdout).toBe('mine\n');
      const other = await runToEnd(cri, pod, containerConfig(image, shell('ls data')));
      expect(other).toMatchObject({ status: { exitCode: 0 }, stdout: 'changed\nkept\n' });

      await daemon.removeAllPods();
      expect(await daemon.leaks()).toEqual([]);
      await cri.removeImage({ image: { image } });
      const { imageFilesystems } = await cri.imageFsInfo({});
      expect(imageFilesystems[0]?.usedBytes?.value).toBe(0);
      for (const folder of ['snapshots', 'containers', 'trash']) {
        const path = join(daemon.place.root, folder);
        await eventually(`"${folder}" is empty`, async () => (await readdir(path)).length === 0);
      }
    },
  );
});

describe('a snapshotter that does not work in the root', () => {
  test('is refused with what to do', async () => {
    await using disk = await overlayDisk();
    await expect(start(disk, 'overlay')).rejects.toThrow('set image.snapshotter to "native"');
    await expect(start(disk, 'btrfs')).rejects.toThrow('is on another filesystem');
  });

  test('is refused when another one was used', async () => {
    await using disk = await plainDisk();
    const image = inject('busybox');
    {
      await using daemon = await start(disk, 'overlay');
      await daemon.cri.pullImage({ image: { image } });
    }
    await expect(start(disk, 'native')).rejects.toThrow('snapshots of the kind "overlay"');
    await using daemon = await start(disk, 'overlay');
    expect((await daemon.cri.listImages({})).images).toHaveLength(1);
  });
});
