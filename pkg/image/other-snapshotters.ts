import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Layers } from './layers.ts';
import type { ImagesOptions } from './parts.ts';
import type { RootfsTable } from './rootfs-table.ts';
import { type SnapshotKind, snapshotKinds } from './snapshots/backend.ts';
import type { Snapshotter } from './snapshots/snapshotter.ts';

/** A snapshotter beside the node's usual one, and what unpacks images for it. */
export type OtherSnapshotter = { readonly snapshots: Snapshotter; readonly layers: Layers };
export type OtherSnapshotters = ReadonlyMap<SnapshotKind, OtherSnapshotter>;

/** Where another snapshotter keeps its files and its records. */
type Place = { readonly root: string; readonly table: string };

/**
 * Opens the configured ones, and those that were used before they went out of the configuration:
 * containers may have files there still.
 */
export function openOthers(
  { root, snapshotter, otherSnapshotters }: Required<Pick<ImagesOptions, 'root' | Option>>,
  rootfs: RootfsTable,
  open: (kind: SnapshotKind, place: Place) => OtherSnapshotter,
): OtherSnapshotters {
  const used = (kind: SnapshotKind) =>
    rootfs.of(kind).length > 0 || existsSync(placeOf(root, kind).root);
  const kinds = snapshotKinds.filter(
    (kind) => (otherSnapshotters.includes(kind) && kind !== snapshotter) || used(kind),
  );
  return new Map(
    kinds.map((kind) => {
      const place = placeOf(root, kind);
      mkdirSync(place.root, { recursive: true, mode: 0o700 });
      return [kind, open(kind, place)];
    }),
  );
}

type Option = 'snapshotter' | 'otherSnapshotters';

function placeOf(root: string, kind: SnapshotKind): Place {
  return { root: join(root, 'snapshotters', kind), table: `image_snapshots_${kind}` };
}

export function snapshottersOf(others: OtherSnapshotters): Snapshotter[] {
  return Array.from(others.values(), ({ snapshots }) => snapshots);
}

/** Removes the root filesystems, in each snapshotter, of containers that have none on record there. */
export function keepOnlyContainers(parts: {
  readonly rootfs: RootfsTable;
  readonly snapshots: Snapshotter;
  readonly others: OtherSnapshotters;
}): void {
  const { rootfs, snapshots, others } = parts;
  const idsOf = (kind?: SnapshotKind) => new Set(rootfs.of(kind).map(({ id }) => id));
  snapshots.keepOnlyContainers(idsOf());
  for (const [kind, other] of others) other.snapshots.keepOnlyContainers(idsOf(kind));
}
