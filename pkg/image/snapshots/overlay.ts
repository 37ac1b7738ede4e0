import { mkdirSync, rmSync } from 'node:fs';
import { chmod, chown, mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, isErrno } from '#errors/fault.ts';
import { type Mount, mountFilesystem, unmount } from '#linux/mount.ts';
import type { Backend, Stacked } from './backend.ts';
import { makePlainDirectory } from './plain-directory.ts';
import type { SnapshotterOptions } from './recorded-snapshotter.ts';
import type { Usage } from './snapshotter.ts';

/**
 * Layers as directories that overlayfs stacks up, unpacked apart; in a container's directory `upper`
 * has what it writes. `root` must be an absolute path. Throws when overlayfs cannot work there.
 */
export function overlayBackend({ root, threads }: SnapshotterOptions): Backend {
  // What lies below a container whose image has no layers.
  const empty = join(root, 'empty');
  mkdirSync(empty, { recursive: true, mode: 0o755 });
  const lowersOr = (lowers: readonly string[]) => (lowers.length > 0 ? lowers : [empty]);
  checkOverlay(root, empty);
  return {
    kind: 'overlay',
    whiteouts: 'marks',
    written: { name: 'upper', isApart: true },
    make: makePlainDirectory,
    stack: async (directory, { extracted, lowers }: Stacked, signal): Promise<Usage> => {
      const { implicitDirectories: paths, usedBytes, inodes } = extracted;
      if (lowers.length > 0 && paths.length > 0) {
        await threads.call('inherit', { directory, paths, lowers }, signal);
      }
      return { usedBytes, inodes };
    },
    prepare: async (directory, lowers) => {
      const upper = join(directory, 'upper');
      await mkdir(join(directory, 'work'), { mode: 0o700 });
      await mkdir(upper);
      const { mode, uid, gid } = await stat(lowers[0] ?? empty);
      await chown(upper, uid, gid);
      await chmod(upper, mode & 0o7777);
    },
    mountOf: async (directory, lowers) => {
      // Its refusal to be mounted again after a `volatile` mount, which is meant for other boots.
      await rm(join(directory, 'work/work/incompat'), { recursive: true, force: true });
      return overlayMount(directory, lowersOr(lowers));
    },
  };
}

function overlayMount(directory: string, lowers: readonly string[]): Mount {
  const options = [
    `lowerdir=${lowers.join(':')}`,
    `upperdir=${join(directory, 'upper')}`,
    `workdir=${join(directory, 'work')}`,
    // Nothing is synced: otherwise a container that ends would flush the whole filesystem.
    'volatile',
    // Not to be refused when a layer below was unpacked again.
    'index=off',
  ];
  return { type: 'overlay', source: 'overlay', options };
}

/** Mounts an overlay in `root` and takes it away again, in some three milliseconds. */
function checkOverlay(root: string, empty: string): void {
  if (/[:,\\]/.test(root)) {
    throw new Fault('invalid-argument', `root "${root}" has a colon, comma or backslash in it`);
  }
  const directory = join(root, 'overlay-check');
  const target = join(directory, 'target');
  const clear = (): void => {
    unmount(target);
    rmSync(directory, { recursive: true, force: true });
  };
  // A daemon that was killed may have left it.
  clear();
  try {
    for (const each of ['upper', 'work', 'target']) {
      mkdirSync(join(directory, each), { recursive: true, mode: 0o700 });
    }
    mountFilesystem(overlayMount(directory, [empty]), target);
  } catch (cause) {
    // A disk that is full shows nothing, and only a daemon that runs can empty it.
    if (!isErrno(cause, 'ENOSPC', 'EDQUOT')) throw notOnOverlay(root, cause);
  } finally {
    clear();
  }
}

function notOnOverlay(root: string, cause: unknown): Fault {
  return new Fault(
    'failed-precondition',
    `overlayfs does not work in "${root}", which may be on an overlay itself; set image.snapshotter to "native", or use a root on another filesystem`,
    { cause },
  );
}
