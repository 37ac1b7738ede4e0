import { createHash } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
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
import { openSnapshotter } from '#image/snapshots/open.ts';
import type { Snapshotter } from '#image/snapshots/snapshotter.ts';
import { Trash } from '#image/trash.ts';
import { WorkerPool } from '#image/worker/worker-pool.ts';
import { mountFilesystem, unmount } from '#linux/mount.ts';
import { createLog } from '#log/log.ts';
import { openDatabase } from '#store/database.ts';
import type { Disk } from './disks.ts';

const never = new AbortController().signal;
const log = createLog('error');

/** Snapshotters of one kind in one root, as one daemon after the other opens them. */
export type Bench = AsyncDisposable & {
  readonly root: string;
  /** The calls that the snapshotters made to threads, by their names. */
  readonly calls: string[];
  /** As the daemon opens it in the given boot of the machine. */
  open(options?: { readonly bootId?: string; readonly kind?: SnapshotKind }): Snapshotter;
  /** Unpacks a layer, as a pull does, into the directory that it returns. */
  unpack(snapshots: Snapshotter, archive: Buffer): Promise<Unpacked>;
  /** Unpacks and commits a layer. */
  add(snapshots: Snapshotter, layer: TestLayer): Promise<void>;
  /** Resolves when what was thrown away is gone from the disk. */
  emptied(): Promise<void>;
};

export type Unpacked = { readonly directory: string; readonly extracted: Extracted };

export type TestLayer = {
  readonly chainId: string;
  readonly parent?: string | undefined;
  readonly archive: Buffer;
};

export function openBench(kind: SnapshotKind, disk: Disk): Bench {
  const root = join(disk.path, 'root');
  mkdirSync(root);
  const database = openDatabase(':memory:');
  const trash = new Trash(join(root, 'trash'), { log, workerIdleMs: 60_000 });
  const pool = new WorkerPool<LayerCalls>({
    script: new URL('../../layer/layer-worker.ts', import.meta.url),
    maxWorkers: 2,
    callsPerWorker: 1,
    idleMs: 60_000,
  });
  const calls: string[] = [];
  const call: typeof pool.call = (name, argument, signal) => {
    calls.push(name);
    return pool.call(name, argument, signal);
  };
  const unpack = async (snapshots: Snapshotter, archive: Buffer): Promise<Unpacked> => {
    const directory = await snapshots.begin(never);
    using layer = openLayer(join(disk.path, 'layer.tar'), archive);
    const request = { ...layer.request, directory, whiteouts: snapshots.whiteouts };
    return { directory, extracted: await pool.call('unpack', request, never) };
  };
  return {
    root,
    calls,
    unpack,
    add: async (snapshots, { chainId, parent, archive }) => {
      const { directory, extracted } = await unpack(snapshots, archive);
      await snapshots.commit(directory, { chainId, parent, extracted }, never);
    },
    emptied: () => vi.waitFor(() => expect(readdirSync(join(root, 'trash'))).toEqual([])),
    open: ({ bootId = 'first boot', kind: given = kind } = {}) =>
      openSnapshotter(given, { root, database, log, trash, bootId, threads: { call } }),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([pool.close(), trash.close()]);
      database.close();
      disk[Symbol.dispose]();
    },
  };
}

/** Makes the root of a container, and gives what `look` finds where it is mounted. */
export async function inContainer<Found>(
  snapshots: Snapshotter,
  { id, top }: { readonly id: string; readonly top: string | undefined },
  look: (root: string) => Found,
): Promise<Found> {
  const root = mkdtempSync(join(tmpdir(), 'gantry-container-'));
  try {
    mountFilesystem(await snapshots.prepare(id, top), root);
    return look(root);
  } finally {
    unmount(root);
    rmdirSync(root);
  }
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
