import type { Mount } from '#linux/mount.ts';
import { Fault } from '#errors/fault.ts';
import type { OtherSnapshotter } from './other-snapshotters.ts';
import type { ImageParts } from './parts.ts';
import { bringLayers, keepImage } from './pull.ts';
import type { SnapshotKind } from './snapshots/backend.ts';
import type { Snapshotter } from './snapshots/snapshotter.ts';
import { stageFault } from './stage-fault.ts';

export type RootfsDeps = Pick<
  ImageParts,
  'options' | 'table' | 'rootfs' | 'snapshots' | 'others' | 'garbage' | 'persister' | 'usages'
>;

type Wanted = { readonly imageId: string; readonly kind: SnapshotKind | undefined };

/** What to mount as a container's root; also keeps the image's layers. Idempotent. */
export async function prepareRootfs(
  deps: RootfsDeps,
  id: string,
  { imageId, kind: wanted }: Wanted,
): Promise<Mount> {
  const image = deps.table.get(imageId);
  const act = `prepare the root filesystem of "${checkedId(id)}"`;
  if (deps.rootfs.find(id) === undefined) deps.usages.begin(id);
  const isUsual = wanted === undefined || wanted === deps.options.snapshotter;
  // Recorded first: it keeps the layers, and leads to what is made next.
  const entry = { id, chainIds: image.chainIds, ...(isUsual ? {} : { kind: wanted }) };
  const { chainIds, kind } = deps.rootfs.enter(entry);
  try {
    if (kind !== undefined) await unpackFor(deps, kind, image.id);
    return await snapshotterOf(deps, kind).prepare(id, chainIds.at(-1));
  } catch (cause) {
    throw stageFault(act, cause);
  }
}

/** Gives up what prepareRootfs made, which must be mounted no more. Idempotent. */
export function releaseRootfs(deps: RootfsDeps, containerId: string): void {
  const kind = deps.rootfs.find(containerId)?.kind;
  snapshotterOf(deps, kind).release(checkedId(containerId));
  deps.rootfs.delete(containerId);
  deps.usages.forget(containerId);
  deps.garbage.collect();
}

/** The snapshotter that a container's root filesystem is in. */
export function snapshotterOf(
  { snapshots, others }: Pick<ImageParts, 'snapshots' | 'others'>,
  kind: SnapshotKind | undefined,
): Snapshotter {
  return kind === undefined ? snapshots : otherOf(others, kind).snapshots;
}

function otherOf(others: ImageParts['others'], kind: SnapshotKind): OtherSnapshotter {
  const other = others.get(kind);
  if (other !== undefined) return other;
  throw new Fault('failed-precondition', `the snapshotter "${kind}" is not configured`);
}

/** Unpacks an image, whose blobs are in the store, once more where that was not done yet. */
async function unpackFor(deps: RootfsDeps, kind: SnapshotKind, id: string): Promise<void> {
  const { table, persister, garbage } = deps;
  const { layers: unpacking, snapshots } = otherOf(deps.others, kind);
  const { chainIds, config } = table.get(id);
  if (chainIds.every((chainId) => snapshots.has(chainId))) return;
  const { target, layers } = table.contentOf(id).content;
  if (layers === undefined) {
    throw new Fault('failed-precondition', `image "${id}" has to be pulled again to be unpacked`);
  }
  const known = keepImage(deps, { target, layers, documents: [], imageId: id, config });
  try {
    // Others may wait for the same; the end of the daemon ends it.
    const { signal } = new AbortController();
    const parts = { layers: unpacking, planned: () => {} };
    await bringLayers(parts, { ...known, access: undefined }, signal);
    persister.soon();
  } finally {
    garbage.giveBack(known.lease);
  }
}

/** Ids become names of directories. */
function checkedId(containerId: string): string {
  if (/^\w[\w.-]*$/.test(containerId)) return containerId;
  throw new Fault('invalid-argument', `malformed container id "${containerId}"`);
}
