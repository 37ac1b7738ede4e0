import type { Mount } from '#linux/mount.ts';
import { Fault } from '#errors/fault.ts';
import type { ImageParts } from './parts.ts';
import { stageFault } from './stage-fault.ts';

export type RootfsDeps = Pick<ImageParts, 'table' | 'rootfs' | 'snapshots' | 'garbage' | 'usages'>;

/** What to mount as a container's root; also keeps the image's layers. Idempotent. */
export async function prepareRootfs(
  { table, rootfs, snapshots, usages }: RootfsDeps,
  containerId: string,
  imageId: string,
): Promise<Mount> {
  const image = table.get(imageId);
  const act = `prepare the root filesystem of "${checkedId(containerId)}"`;
  if (!rootfs.has(containerId)) usages.begin(containerId);
  // Recorded first: it keeps the layers, and leads to what is made next.
  const chainIds = rootfs.chainIdsOf(containerId, image.chainIds);
  try {
    return await snapshots.prepare(containerId, chainIds.at(-1));
  } catch (cause) {
    throw stageFault(act, cause);
  }
}

/** Gives up what prepareRootfs made, which must be mounted no more. Idempotent. */
export function releaseRootfs(
  { rootfs, snapshots, garbage, usages }: RootfsDeps,
  containerId: string,
): void {
  snapshots.release(checkedId(containerId));
  rootfs.delete(containerId);
  usages.forget(containerId);
  garbage.collect();
}

/** Ids become names of directories. */
function checkedId(containerId: string): string {
  if (/^\w[\w.-]*$/.test(containerId)) return containerId;
  throw new Fault('invalid-argument', `malformed container id "${containerId}"`);
}
