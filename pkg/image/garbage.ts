import type { Log } from '#log/log.ts';
import type { ContentStore } from './content-store.ts';
import type { ImageTable } from './image-table.ts';
import type { OtherSnapshotters } from './other-snapshotters.ts';
import type { RootfsTable } from './rootfs-table.ts';
import type { SnapshotKind } from './snapshots/backend.ts';
import type { Snapshotter } from './snapshots/snapshotter.ts';

export type GarbageDeps = {
  readonly table: ImageTable;
  readonly rootfs: RootfsTable;
  readonly content: ContentStore;
  readonly snapshots: Snapshotter;
  readonly others: OtherSnapshotters;
  readonly log: Log;
};

/** What a pull needs, of which some may be there already. */
export type Lease = { readonly digests: readonly string[]; readonly chainIds: readonly string[] };

/** Removes the blobs and snapshots that no image, no container and no pull has a use for. */
export class Garbage {
  readonly #deps: GarbageDeps;
  readonly #leases = new Set<Lease>();
  #pauses = 0;

  constructor(deps: GarbageDeps) {
    this.#deps = deps;
  }

  /** Nothing is collected until the returned value is disposed of. */
  pause(): Disposable {
    this.#pauses += 1;
    return {
      [Symbol.dispose]: () => {
        this.#pauses -= 1;
        this.collect();
      },
    };
  }

  /** Keeps what a pull needs, until the lease is returned. */
  lease(lease: Lease): void {
    this.#leases.add(lease);
  }

  giveBack(lease: Lease): void {
    this.#leases.delete(lease);
    this.collect();
  }

  /** From now on nothing is collected. */
  close(): void {
    this.#pauses += 1;
  }

  /** What cannot be removed now stays until the next time: it is no failure of whoever calls. */
  collect(): void {
    if (this.#pauses > 0) return;
    const { table, rootfs, content, snapshots, others } = this.#deps;
    const leases = [...this.#leases];
    const digests = table.blobs().map(({ digest }) => digest);
    this.#keepOnly(content, [...digests, ...leases.flatMap((lease) => lease.digests)]);
    const ofImages = table.list().flatMap((image) => image.chainIds);
    const leased = leases.flatMap((lease) => lease.chainIds);
    const ofContainers = (kind?: SnapshotKind) => rootfs.of(kind).flatMap((each) => each.chainIds);
    this.#keepOnly(snapshots, [...ofImages, ...leased, ...ofContainers()]);
    for (const [kind, other] of others) {
      const ofNext = other.isConfigured ? [...ofImages, ...leased] : [];
      this.#keepOnly(other.snapshots, [...ofNext, ...ofContainers(kind)]);
    }
  }

  #keepOnly(store: Pick<ContentStore, 'keepOnly'>, needed: readonly string[]): void {
    try {
      store.keepOnly(new Set(needed));
    } catch (error) {
      this.#deps.log.warn({ error }, 'remove what no image needs any more');
    }
  }
}
