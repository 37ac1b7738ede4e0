import { createHash } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { DownloadProgress } from '#image/download-progress.ts';
import type { Extracted } from '#image/layer/extract.ts';
import type { LayerCalls } from '#image/layer/layer-worker.ts';
import type { SnapshotKind } from '#image/snapshots/backend.ts';
import type { LayerThreads } from '#image/snapshots/layer-threads.ts';
import { openSnapshotter } from '#image/snapshots/open.ts';
import type { Snapshotter } from '#image/snapshots/snapshotter.ts';
import { tarArchive, type TestEntry } from '#image/testdata/tar-archive.ts';
import { treeOf } from '#image/testdata/tree-of.ts';
import { Trash } from '#image/trash.ts';
import { WorkerPool } from '#image/worker/worker-pool.ts';
import { mountFilesystem, unmount } from '#linux/mount.ts';
import { createLog } from '#log/log.ts';
import { openDatabase } from '#store/database.ts';
import type { Disk } from './disks.ts';

const never = new AbortController().signal;
const log = createLog('error');

export type TestLayer = {
  readonly chainId: string;
  readonly parent?: string | undefined;
  readonly archive: Buffer;
};

/** One root, in which a snapshotter is open; and what a pull and a runtime do with it. */
export class Bench implements AsyncDisposable {
  readonly kind: SnapshotKind;
  readonly root: string;
  /** Outside of the root. */
  readonly scratch: string;
  /** The calls that snapshotters made to threads, by their names. */
  readonly calls: string[] = [];
  snapshots: Snapshotter;
  readonly #disk: Disk;
  readonly #database = openDatabase(':memory:');
  readonly #trash: Trash;
  readonly #threads = new WorkerPool<LayerCalls>({
    script: new URL('../../layer/layer-worker.ts', import.meta.url),
    maxWorkers: 2,
    callsPerWorker: 1,
    idleMs: 60_000,
  });

  constructor(kind: SnapshotKind, disk: Disk) {
    this.kind = kind;
    this.#disk = disk;
    this.root = join(disk.path, 'root');
    this.scratch = join(disk.path, 'scratch');
    for (const each of [this.root, this.scratch]) mkdirSync(each);
    this.#trash = new Trash(join(this.root, 'trash'), { log, workerIdleMs: 60_000 });
    this.snapshots = this.open(kind);
  }

  /** Opens the root as the daemon does in the given boot of the machine. */
  open(kind: SnapshotKind, bootId = 'first boot'): Snapshotter {
    const call: LayerThreads['call'] = (name, argument, signal) => {
      this.calls.push(name);
      return this.#threads.call(name, argument, signal);
    };
    const options = { root: this.root, database: this.#database, log, trash: this.#trash, bootId };
    return openSnapshotter(kind, { ...options, table: 'image_snapshots', threads: { call } });
  }

  restartDaemon(): void {
    this.snapshots = this.open(this.kind);
  }

  restartMachine(): void {
    this.snapshots = this.open(this.kind, 'second boot');
  }

  /** Unpacks a layer, as a pull does. */
  async unpack(archive: Buffer): Promise<{ directory: string; extracted: Extracted }> {
    const directory = await this.snapshots.begin(never);
    using layer = openLayer(join(this.scratch, 'layer.tar'), archive);
    const { whiteouts } = this.snapshots;
    const request = {
      ...layer.request,
      directory,
      whiteouts,
      fileName: undefined,
      maxBytes: 1 << 30,
    };
    return { directory, extracted: await this.#threads.call('unpack', request, never) };
  }

  /** Unpacks and commits a layer. */
  async add({ archive, chainId, parent }: TestLayer): Promise<void> {
    const { directory, extracted } = await this.unpack(archive);
    await this.snapshots.commit(directory, { chainId, parent, extracted }, never);
  }

  /** Adds layers on each other, the lowest first, as `<name>-<n>`; returns the last chain id. */
  async stack(name: string, ...layers: readonly (readonly TestEntry[])[]): Promise<string> {
    for (const [n, entries] of layers.entries()) {
      const parent = n === 0 ? undefined : `${name}-${n - 1}`;
      await this.add({ chainId: `${name}-${n}`, parent, archive: tarArchive(entries) });
    }
    return `${name}-${layers.length - 1}`;
  }

  /** Makes the root of a container, or finds it, and gives what `look` finds where it is mounted. */
  async inContainer<Found>(
    container: { readonly id: string; readonly top: string | undefined },
    look: (root: string) => Found,
  ): Promise<Found> {
    const root = mkdtempSync(join(tmpdir(), 'gantry-container-'));
    try {
      mountFilesystem(await this.snapshots.prepare(container.id, container.top), root);
      return look(root);
    } finally {
      unmount(root);
      rmdirSync(root);
    }
  }

  /** What a new container sees; see contentsOf. */
  async seen(top: string | undefined): Promise<Record<string, string>> {
    const found = await this.inContainer({ id: 'looks', top }, contentsOf);
    this.snapshots.release('looks');
    return found;
  }

  /** Resolves when what was thrown away is gone from the disk. */
  async emptied(): Promise<void> {
    await vi.waitFor(() => expect(readdirSync(join(this.root, 'trash'))).toEqual([]), 20_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#threads.close(), this.#trash.close()]);
    this.#database.close();
    this.#disk[Symbol.dispose]();
  }
}

/** The content of each file by its path; of a directory `/`, of a symbolic link `-> <target>`. */
export function contentsOf(root: string): Record<string, string> {
  const contents = Object.entries(treeOf(root)).map(([path, { type, content }]) => {
    if (type === 0o040_000) return [path, '/'];
    if (type === 0o120_000) return [path, `-> ${content}`];
    return [path, readFileSync(join(root, path), 'utf8')];
  });
  return Object.fromEntries(contents);
}

/** A layer that has arrived. */
function openLayer(path: string, archive: Buffer) {
  writeFileSync(path, archive);
  const fd = openSync(path, 'r');
  const progress = new DownloadProgress();
  progress.advanceTo(archive.length);
  progress.complete();
  const diffId = `sha256:${createHash('sha256').update(archive).digest('hex')}`;
  return {
    request: { fd, progress: progress.shared, diffId },
    [Symbol.dispose]: () => {
      closeSync(fd);
      rmSync(path);
    },
  };
}
