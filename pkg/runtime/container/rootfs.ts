import { chownSync, mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { mountIdmapped } from '#linux/idmap.ts';
import { type Mount, mountFilesystem, unmount } from '#linux/mount.ts';
import type { IdMapping } from '#linux/user-namespace.ts';

/** The user namespace of a container's pod: where it is pinned, and its ids. */
export type PodUsers = { readonly pin: string; readonly mapping: IdMapping };

/**
 * Mounts a container's root file system. In a pod with a user namespace the image's files, which are
 * stored once for all, appear with the owners that the namespace has for them.
 */
export function mountRootfs(mount: Mount, rootfs: string, users: PodUsers | undefined): void {
  if (users === undefined) return mountFilesystem(mount, rootfs);
  if (mount.type !== 'overlay') return mountIdmapped(mount.source, rootfs, users.pin);
  const upper = optionOf(mount, 'upperdir');
  for (const folder of [upper, optionOf(mount, 'workdir')]) {
    chownSync(folder, users.mapping.hostId, users.mapping.hostId);
  }
  const lowers = optionOf(mount, 'lowerdir').split(':');
  using mapped = mapFolders(lowers, `${rootfs}.lower`, users.pin);
  const others = mount.options.filter((option) => !option.startsWith('lowerdir='));
  const options = [`lowerdir=${mapped.folders.join(':')}`, ...others];
  mountFilesystem({ ...mount, options }, rootfs);
}

function optionOf({ options }: Mount, name: string): string {
  return options.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
}

/** The overlay holds on to what it was made of: the folders' own mounts end with the scope. */
function mapFolders(
  sources: readonly string[],
  parent: string,
  userns: string,
): Disposable & { readonly folders: readonly string[] } {
  const folders = sources.map((_source, index) => join(parent, String(index)));
  const clean = (): void => {
    for (const folder of folders) {
      unmount(folder);
      rmdirSync(folder);
    }
    rmdirSync(parent);
  };
  for (const folder of folders) mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    sources.forEach((source, index) => mountIdmapped(source, folders[index] ?? '', userns));
  } catch (error) {
    clean();
    throw error;
  }
  return { folders, [Symbol.dispose]: clean };
}
