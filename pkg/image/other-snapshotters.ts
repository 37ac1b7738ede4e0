import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '#log/log.ts';
import type { Layers } from './layers.ts';
import type { ImagesOptions } from './parts.ts';
import type { RootfsTable } from './rootfs-table.ts';
import { type SnapshotKind, snapshotKinds } from './snapshots/backend.ts';
import type { Snapshotter } from './snapshots/snapshotter.ts';

/** A snapshotter beside the node's usual one, and what unpacks images for it. */
export type OtherSnapshotter = {
  readonly snapshots: Snapshotter;
  readonly layers: Layers;
  /** Whether new containers may ask for it. */
  readonly isConfigured: boolean;
};
export type OtherSnapshotters = ReadonlyMap<SnapshotKind, OtherSnapshotter>;

/** Where another snapshotter keeps its files and its records. */
type Place = { readonly root: string; readonly table: string };

type Options = Required<
  Pick<ImagesOptions, 'root' | 'snapshotter' | 'otherSnapshotters'> & { readonly log: Log }
>;

type Open = (kind: SnapshotKind, place: Place) => Omit<OtherSnapshotter, 'isConfigured'>;

/**
 * Opens the configured ones, and those that were used before they went out of the configuration:
 * containers may have files there still. Throws when a configured one does not work.
 */
export function openOthers(options: Options, open: Open): OtherSnapshotters {
  const { root, snapshotter, otherSnapshotters, log } = options;
  const others = new Map<SnapshotKind, OtherSnapshotter>();
  for (const kind of snapshotKinds) {
    const place = placeOf(root, kind);
    const isKnown = existsSync(place.root);
    const isConfigured = otherSnapshotters.includes(kind) && kind !== snapshotter;
    if (!isKnown && !isConfigured) continue;
    mkdirSync(place.root, { recursive: true, mode: 0o700 });
    try {
      others.set(kind, { ...open(kind, place), isConfigured });
    } catch (error) {
      // Nothing is in it yet, and the next start must not look for it there.
      if (!isKnown) rmSync(place.root, { recursive: true, force: true });
      if (isConfigured) throw error;
      log.warn({ snapshotter: kind, error }, 'what is left of a snapshotter cannot be used');
    }
  }
  return others;
}

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
