import { mkdirSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Fault } from '#errors/fault.ts';
import type { WhiteoutFormat } from '#image/layer/whiteouts.ts';
import { stageFault } from '#image/stage-fault.ts';
import type { Trash } from '#image/trash.ts';
import type { MeasureRequest } from '#image/usage/measure.ts';
import type { Log } from '#log/log.ts';
import type { Mount } from '#linux/mount.ts';
import type { Database } from '#store/database.ts';
import { RecordTable } from '#store/record-table.ts';
import { type Backend, hidesAll, type SnapshotKind } from './backend.ts';
import type { LayerThreads } from './layer-threads.ts';
import type { Snapshotter, UnpackedLayer, Usage } from './snapshotter.ts';
import { bootFileIn, makeOncePerBoot } from './once-per-boot.ts';

type SnapshotRecord = {
  /** The chain id. */
  readonly id: string;
  /** Of what shows through from below. */
  readonly parent?: string | undefined;
  /** Absent in records of the time when there was one kind. */
  readonly kind?: SnapshotKind;
  /** Of its directory. Short, so that the paths of many layers fit into the options of one mount. */
  readonly number: number;
  readonly usedBytes: number;
  readonly inodes: number;
  /** The boot of the machine that unpacked it; absent once all of it is on the disk for certain. */
  readonly bootId?: string | undefined;
};

export type SnapshotterOptions = {
  readonly root: string;
  readonly database: Database;
  readonly log: Log;
  readonly trash: Trash;
  /** Changes when the machine starts: /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
  readonly threads: LayerThreads;
  /** Of the records. */
  readonly table: string;
};

/**
 * The directories of snapshots, `snapshots/<number>/fs`, and of containers, `containers/<id>`, and
 * the records about the former. A directory counts only with its record; others are swept at the
 * start.
 *
 * Files of layers are not synced one by one, which would take ten times as long as unpacking. So
 * after a power cut those that `persist` had not reached are thrown away, to be unpacked again.
 */
export class RecordedSnapshotter implements Snapshotter {
  readonly #options: SnapshotterOptions;
  readonly #backend: Backend;
  readonly #table: RecordTable<SnapshotRecord>;
  readonly #records: Map<string, SnapshotRecord>;
  /** The backends' work for containers ends when its threads do. */
  readonly #never = new AbortController().signal;
  #lastNumber: number;

  constructor(options: SnapshotterOptions, backend: Backend) {
    this.#options = options;
    this.#backend = backend;
    mkdirSync(this.#snapshots, { recursive: true, mode: 0o700 });
    mkdirSync(this.#containers, { recursive: true, mode: 0o700 });
    const fields = ['number', 'usedBytes', 'inodes'] as const;
    this.#table = new RecordTable(options.database, options.table, fields);
    this.#records = this.#load();
    this.#lastNumber = this.#sweep();
  }

  get whiteouts(): WhiteoutFormat {
    return this.#backend.whiteouts;
  }

  has(chainId: string): boolean {
    return this.#records.has(chainId);
  }

  async begin(signal: AbortSignal): Promise<string> {
    this.#lastNumber += 1;
    const directory = this.#directory(this.#lastNumber);
    await mkdir(dirname(directory), { mode: 0o700 });
    await this.#backend.make(directory, signal);
    return directory;
  }

  async commit(directory: string, layer: UnpackedLayer, signal: AbortSignal): Promise<void> {
    const { chainId, parent } = layer;
    if (parent !== undefined && !this.has(parent)) {
      throw new Fault('internal', `commit snapshot "${chainId}" before the one below it`);
    }
    const usage = await this.#stack(directory, layer, signal);
    const number = Number(basename(dirname(directory)));
    const [{ bootId }, { kind }] = [this.#options, this.#backend];
    const below = hidesAll(layer.extracted) ? undefined : parent;
    this.#put({ id: chainId, parent: below, kind, number, bootId, ...usage });
  }

  abandon(directory: string): void {
    this.#options.trash.discard(dirname(directory));
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
    await this.#options.threads.call('sync', this.#snapshots, signal);
    this.#options.database.transaction(() => {
      for (const { bootId: _, ...record } of waiting) if (this.has(record.id)) this.#put(record);
    });
  }

  async prepare(containerId: string, top: string | undefined): Promise<Mount> {
    const lowers = this.#directoriesOf(top);
    const directory = join(this.#containers, containerId);
    const prepare = () => this.#backend.prepare(directory, lowers, this.#never);
    await makeOncePerBoot(directory, this.#options, prepare);
    return this.#backend.mountOf(directory, lowers);
  }

  writtenBy(containerId: string): MeasureRequest {
    const directory = join(this.#containers, containerId);
    const { name, isApart } = this.#backend.written;
    // Its other files are as they were when this one was written, after them.
    const since = isApart ? undefined : bootFileIn(directory);
    return { directory: join(directory, name), since };
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

  #directory(number: number): string {
    return join(this.#snapshots, String(number), 'fs');
  }

  async #stack(directory: string, layer: UnpackedLayer, signal: AbortSignal): Promise<Usage> {
    const { chainId, parent, extracted } = layer;
    const lowers = this.#directoriesOf(parent);
    try {
      return await this.#backend.stack(directory, { extracted, lowers }, signal);
    } catch (cause) {
      throw stageFault(`make snapshot "${chainId}"`, cause);
    }
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

  /** The directories of a snapshot and those below it, the nearest first. */
  #directoriesOf(chainId: string | undefined): string[] {
    const directories: string[] = [];
    for (let id = chainId; id !== undefined;) {
      const record = this.#records.get(id);
      if (record === undefined) throw new Fault('not-found', `snapshot "${id}" is not there`);
      directories.push(this.#directory(record.number));
      id = record.parent;
    }
    return directories;
  }

  #load(): Map<string, SnapshotRecord> {
    const { log, root } = this.#options;
    const { records, broken } = this.#table.load();
    for (const record of broken) log.warn(record, 'snapshot record is not readable');
    for (const { kind = 'overlay' } of records) {
      if (kind === this.#backend.kind) continue;
      throw new Fault(
        'failed-precondition',
        `image.snapshotter is "${this.#backend.kind}", but "${root}" has snapshots of the kind "${kind}": go back to that one and remove all containers and images first, or use another root`,
      );
    }
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
