import { mkdirSync, readdirSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Fault } from '#errors/fault.ts';
import type { Log } from '#log/log.ts';
import type { Mount } from '#linux/mount.ts';
import type { Database } from '#store/database.ts';
import { RecordTable } from '#store/record-table.ts';
import { prepareWritable } from './overlay-writable.ts';
import type { Snapshot, Snapshotter, Usage } from './snapshotter.ts';
import type { Trash } from './trash.ts';

type SnapshotRecord = {
  /** The chain id. */
  readonly id: string;
  readonly parent?: string | undefined;
  /** Of its directory. Short, so that the paths of many layers fit into the options of one mount. */
  readonly number: number;
  readonly usedBytes: number;
  readonly inodes: number;
  /** The boot of the machine that unpacked it; absent once all of it is on the disk for certain. */
  readonly bootId?: string | undefined;
};

export type OverlayOptions = {
  /** An absolute path, in which overlayfs sees no separators of its options: no `:`, `,` or `\`. */
  readonly root: string;
  readonly database: Database;
  readonly log: Log;
  readonly trash: Trash;
  /** Changes when the machine starts: /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
  /** syncfs(2) on the filesystem of a directory, off the main thread. */
  readonly sync: (directory: string, signal: AbortSignal) => Promise<void>;
};

/**
 * Layers as directories that overlayfs stacks up: `snapshots/<number>/fs`, and `containers/<id>` for
 * what containers write. A directory counts only with its record; others are swept at the start.
 *
 * Files of layers are not synced one by one, which would take ten times as long as unpacking. So
 * after a power cut those that `persist` had not reached are thrown away, to be unpacked again.
 */
export class OverlaySnapshotter implements Snapshotter {
  readonly #options: OverlayOptions;
  readonly #table: RecordTable<SnapshotRecord>;
  readonly #records: Map<string, SnapshotRecord>;
  #lastNumber: number;

  constructor(options: OverlayOptions) {
    const { root, database } = options;
    if (/[:,\\]/.test(root)) {
      throw new Fault('invalid-argument', `root "${root}" has a colon, comma or backslash in it`);
    }
    this.#options = options;
    mkdirSync(this.#snapshots, { recursive: true, mode: 0o700 });
    mkdirSync(this.#containers, { recursive: true, mode: 0o700 });
    mkdirSync(this.#empty, { recursive: true, mode: 0o755 });
    this.#table = new RecordTable(database, 'image_snapshots', ['number', 'usedBytes', 'inodes']);
    this.#records = this.#load();
    this.#lastNumber = this.#sweep();
  }

  has(chainId: string): boolean {
    return this.#records.has(chainId);
  }

  async begin(): Promise<string> {
    this.#lastNumber += 1;
    const directory = this.#directory(this.#lastNumber);
    // Not by the umask: this becomes the root directory of containers.
    await mkdir(directory, { recursive: true });
    await chmod(directory, 0o755);
    return directory;
  }

  commit(directory: string, { chainId, parent, usage }: Snapshot): void {
    if (parent !== undefined && !this.has(parent)) {
      throw new Fault('internal', `commit snapshot "${chainId}" before the one below it`);
    }
    const number = Number(basename(dirname(directory)));
    const { bootId } = this.#options;
    this.#put({ id: chainId, parent, number, bootId, ...usage });
  }

  abandon(directory: string): void {
    this.#options.trash.discard(dirname(directory));
  }

  directoriesOf(chainId: string): readonly string[] {
    return this.#chainOf(chainId).map(({ number }) => this.#directory(number));
  }

  keepOnly(needed: ReadonlySet<string>): void {
    for (const record of this.#records.values()) {
      if (!needed.has(record.id)) this.#remove(record);
    }
  }

  usage(): Usage {
    const records = [...this.#records.values()];
    return {
      usedBytes: records.reduce((sum, record) => sum + record.usedBytes, 0),
      inodes: records.reduce((sum, record) => sum + record.inodes, 0),
    };
  }

  async persist(signal: AbortSignal): Promise<void> {
    const waiting = [...this.#records.values()].filter(({ bootId }) => bootId !== undefined);
    if (waiting.length === 0) return;
    await this.#options.sync(this.#snapshots, signal);
    this.#options.database.transaction(() => {
      for (const { bootId: _, ...record } of waiting) if (this.has(record.id)) this.#put(record);
    });
  }

  async prepare(containerId: string, top: string | undefined): Promise<Mount> {
    const lowers = top === undefined ? [this.#empty] : this.directoriesOf(top);
    const { bootId, trash } = this.#options;
    const lower = lowers[0] ?? this.#empty;
    const directory = join(this.#containers, containerId);
    const { upper, work } = await prepareWritable(directory, { lower, bootId, trash });
    const options = [
      `lowerdir=${lowers.join(':')}`,
      `upperdir=${upper}`,
      `workdir=${work}`,
      'volatile',
      // Not to be refused when a layer below was unpacked again.
      'index=off',
    ];
    return { type: 'overlay', source: 'overlay', options };
  }

  release(containerId: string): void {
    this.#options.trash.discard(join(this.#containers, containerId));
  }

  keepOnlyContainers(needed: ReadonlySet<string>): void {
    for (const id of readdirSync(this.#containers)) if (!needed.has(id)) this.release(id);
  }

  get #snapshots(): string {
    return join(this.#options.root, 'snapshots');
  }

  get #containers(): string {
    return join(this.#options.root, 'containers');
  }

  /** What lies below a container whose image has no layers. */
  get #empty(): string {
    return join(this.#options.root, 'empty');
  }

  #directory(number: number): string {
    return join(this.#snapshots, String(number), 'fs');
  }

  #put(record: SnapshotRecord): void {
    this.#table.put(record);
    this.#records.set(record.id, record);
  }

  #remove({ id, number }: SnapshotRecord): void {
    this.#table.delete(id);
    this.#records.delete(id);
    this.#options.trash.discard(join(this.#snapshots, String(number)));
  }

  /** The records of a snapshot and those below it, the nearest first. */
  #chainOf(chainId: string): SnapshotRecord[] {
    const chain: SnapshotRecord[] = [];
    for (let id: string | undefined = chainId; id !== undefined; id = chain.at(-1)?.parent) {
      const record = this.#records.get(id);
      if (record === undefined) throw new Fault('not-found', `snapshot "${id}" is not there`);
      chain.push(record);
    }
    return chain;
  }

  #load(): Map<string, SnapshotRecord> {
    const { records, broken } = this.#table.load();
    for (const record of broken) this.#options.log.warn(record, 'snapshot record is not readable');
    return new Map(records.map((record) => [record.id, record]));
  }

  /**
   * Drops records without a trustworthy directory, and directories without a record. Returns the
   * highest number in use, also of directories that are only on their way to the trash.
   */
  #sweep(): number {
    const numbers = new Set(readdirSync(this.#snapshots).map(Number));
    for (const record of this.#records.values()) {
      const isTorn = record.bootId !== undefined && record.bootId !== this.#options.bootId;
      if (isTorn || !numbers.has(record.number)) this.#remove(record);
    }
    const known = new Set(Array.from(this.#records.values(), ({ number }) => number));
    for (const number of numbers) {
      if (!known.has(number)) this.#options.trash.discard(join(this.#snapshots, String(number)));
    }
    return Math.max(0, ...numbers);
  }
}
