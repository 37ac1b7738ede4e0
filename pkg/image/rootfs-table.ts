import type { Log } from '#log/log.ts';
import type { Database } from '#store/database.ts';
import { RecordTable } from '#store/record-table.ts';

type Rootfs = {
  /** The container's. */
  readonly id: string;
  /** The image's layers as they were when the container was made, the lowest first. */
  readonly chainIds: readonly string[];
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

  has(containerId: string): boolean {
    return this.#records.has(containerId);
  }

  /** The container's layers; those given if it has none yet. */
  chainIdsOf(containerId: string, ifNew: readonly string[]): readonly string[] {
    const known = this.#records.get(containerId);
    if (known !== undefined) return known.chainIds;
    const record = { id: containerId, chainIds: ifNew };
    this.#table.put(record);
    this.#records.set(containerId, record);
    return ifNew;
  }

  delete(containerId: string): void {
    this.#table.delete(containerId);
    this.#records.delete(containerId);
  }

  owners(): string[] {
    return [...this.#records.keys()];
  }

  /** All layers of all containers. */
  chainIds(): string[] {
    return [...this.#records.values()].flatMap(({ chainIds }) => chainIds);
  }
}
