import type { Log } from '#log/log.ts';
import type { Database } from '#store/database.ts';
import type { SnapshotKind } from './snapshots/backend.ts';
import { RecordTable } from '#store/record-table.ts';

export type Rootfs = {
  /** The container's. */
  readonly id: string;
  /** The image's layers as they were when the container was made, the lowest first. */
  readonly chainIds: readonly string[];
  /** Of its snapshotter; absent for the node's usual one. */
  readonly kind?: SnapshotKind | undefined;
};

/** Which containers have a root filesystem, and of which layers: what keeps these layers. */
export class RootfsTable {
  readonly #table: RecordTable<Rootfs>;
  readonly #records: Map<string, Rootfs>;

  constructor(database: Database, log: Log) {
    this.#table = new RecordTable(database, 'image_rootfs', ['chainIds']);
    const { records, broken } = this.#table.load();
    for (const record of broken) log.warn(record, 'rootfs record is not readable');
    this.#records = new Map(records.map((record) => [record.id, record]));
  }

  /** What the container has; what is given, if it has none yet. */
  enter(ifNew: Rootfs): Rootfs {
    const known = this.find(ifNew.id);
    if (known !== undefined) return known;
    this.#table.put(ifNew);
    this.#records.set(ifNew.id, ifNew);
    return ifNew;
  }

  find(containerId: string): Rootfs | undefined {
    return this.#records.get(containerId);
  }

  delete(containerId: string): void {
    this.#table.delete(containerId);
    this.#records.delete(containerId);
  }

  owners(): string[] {
    return [...this.#records.keys()];
  }

  /** Those of one snapshotter: undefined is the node's usual one. */
  of(kind: SnapshotKind | undefined): readonly Rootfs[] {
    return [...this.#records.values()].filter((record) => record.kind === kind);
  }
}
