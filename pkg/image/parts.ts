import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '#log/log.ts';
import type { Database } from '#store/database.ts';
import type { ArchiveCalls } from './archive/archive-worker.ts';
import { snapshotterOf } from './container-rootfs.ts';
import { ContentStore } from './content-store.ts';
import { Downloads } from './downloads.ts';
import { Garbage } from './garbage.ts';
import { ImageTable } from './image-table.ts';
import type { LayerCalls } from './layer/layer-worker.ts';
import { Layers } from './layers.ts';
import { Persister } from './persister.ts';
import { PullProgressBoard } from './pull-progress-board.ts';
import type { FetchCalls } from './registry/fetch-worker.ts';
import { type Patience, usualPatience } from './registry/patience.ts';
import { RootfsTable } from './rootfs-table.ts';
import type { SnapshotKind } from './snapshots/backend.ts';
import {
  keepOnlyContainers,
  openOthers,
  type OtherSnapshotters,
  snapshottersOf,
} from './other-snapshotters.ts';
import { openSnapshotter } from './snapshots/open.ts';
import type { Snapshotter } from './snapshots/snapshotter.ts';
import { Trash } from './trash.ts';
import type { MeasureCalls } from './usage/measure-worker.ts';
import { RootfsUsages } from './usage/rootfs-usage.ts';
import { WorkerPool } from './worker/worker-pool.ts';

export type ImagesOptions = {
  /** The directory for all of it; of this package in it: content, snapshots, containers, trash. */
  readonly root: string;
  /** Where registries are configured, as for containerd: `<dir>/<host>/hosts.toml`. */
  readonly certsDirs: readonly string[];
  /** Files with credentials of the node, in the form of Docker's config.json; some may be missing. */
  readonly authFiles?: readonly string[];
  readonly database: Database;
  readonly log: Log;
  /** How unpacked layers become root filesystems. */
  readonly snapshotter?: SnapshotKind;
  /** Further ones, for containers that ask for them. */
  readonly otherSnapshotters?: readonly SnapshotKind[];
  /** A layer that is larger, packed or unpacked, is refused. */
  readonly maxLayerBytes?: number;
  /** Names of images that are not to be removed to make room; `*` stands for any characters. */
  readonly pinned?: readonly string[];
  /** `HTTPS_PROXY`, `NO_PROXY` and their kin. */
  readonly proxyEnvironment?: Readonly<Record<string, string>>;
  /** Threads end after so long without work. */
  readonly workerIdleMs?: number;
  /** A registry that sends next to nothing for so long is given up. */
  readonly registryIdleMs?: number;
  /** How often a registry in trouble is asked again. */
  readonly registryPatience?: Patience;
  /** How long what a failed pull has brought is kept for the next try. */
  readonly retryGraceMs?: number;
};

/** What the package consists of, put together. */
export type ImageParts = {
  readonly options: Required<ImagesOptions>;
  readonly table: ImageTable;
  readonly rootfs: RootfsTable;
  readonly content: ContentStore;
  readonly snapshots: Snapshotter;
  readonly others: OtherSnapshotters;
  readonly garbage: Garbage;
  readonly trash: Trash;
  readonly persister: Persister;
  readonly fetchers: WorkerPool<FetchCalls>;
  readonly unpackers: WorkerPool<LayerCalls>;
  readonly cloners: WorkerPool<LayerCalls>;
  readonly archivers: WorkerPool<ArchiveCalls>;
  readonly measurers: WorkerPool<MeasureCalls>;
  readonly usages: RootfsUsages;
  readonly downloads: Downloads;
  readonly layers: Layers;
  readonly progress: PullProgressBoard;
};

const defaults = {
  authFiles: [],
  snapshotter: 'overlay',
  otherSnapshotters: [],
  registryPatience: usualPatience,
  maxLayerBytes: 64 * 2 ** 30,
  pinned: [],
  proxyEnvironment: {},
  workerIdleMs: 10_000,
  registryIdleMs: 60_000,
  retryGraceMs: 600_000,
} as const;

/** One thread waits for the network; it seldom has enough to do for a second one. */
const maxFetchCalls = 64;
/** For all images together. Those that wait for a slow registry cost memory only. */
const maxUnpackers = 8;
/** Of trees, for snapshots and for containers, which must not wait until unpackers have a download. */
const maxCloners = 2;

/** Measuring is done soon, and seldom. */
const measurerIdleMs = 500;

/** Opens all parts, and moves what an interrupted daemon left behind out of the way. */
export function openParts(given: ImagesOptions): ImageParts {
  const options = { ...defaults, ...given };
  const { root, database, log, workerIdleMs, maxLayerBytes } = options;
  const trash = new Trash(join(root, 'trash'), { log, workerIdleMs });
  const content = new ContentStore(join(root, 'content'), trash);
  const pools = workerPools(workerIdleMs);
  const { fetchers, unpackers } = pools;
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const own = { database, log, trash, bootId };
  const snapshots = openSnapshotter(options.snapshotter, {
    ...own,
    root,
    table: 'image_snapshots',
    threads: threadsOf(options.snapshotter, pools),
  });
  const table = new ImageTable(database, log);
  const rootfs = new RootfsTable(database, log);
  forgetIncomplete(table, snapshots, log);
  const downloads = new Downloads(content, fetchers, () => garbage.collect());
  const layers = new Layers({ downloads, snapshots, unpackers, maxLayerBytes });
  const others = openOthers(options, (kind, place) => {
    const other = openSnapshotter(kind, { ...own, ...place, threads: threadsOf(kind, pools) });
    const deps = { downloads, snapshots: other, unpackers, maxLayerBytes };
    return { snapshots: other, layers: new Layers(deps) };
  });
  const garbage = new Garbage({ table, rootfs, content, snapshots, others, log });
  content.learnSizes(table.blobs());
  garbage.collect();
  keepOnlyContainers({ rootfs, snapshots, others });
  const progress = new PullProgressBoard({ content, snapshots, downloads });
  const persister = new Persister([snapshots, ...snapshottersOf(others)], log);
  const usages = new RootfsUsages({
    threads: pools.measurers,
    log,
    writtenBy: (id) => snapshotterOf({ snapshots, others }, rootfs.find(id)?.kind).writtenBy(id),
  });
  const stores = { table, rootfs, content, snapshots, others, garbage, trash, persister, usages };
  return { options, ...stores, ...pools, downloads, layers, progress };
}

function threadsOf(kind: SnapshotKind, pools: ReturnType<typeof workerPools>) {
  return kind === 'overlay' ? pools.unpackers : pools.cloners;
}

function workerPools(idleMs: number) {
  const one = { maxWorkers: 1, callsPerWorker: 1, idleMs };
  const layers = { ...one, script: new URL('./layer/layer-worker.ts', import.meta.url) };
  return {
    fetchers: new WorkerPool<FetchCalls>({
      ...one,
      script: new URL('./registry/fetch-worker.ts', import.meta.url),
      callsPerWorker: maxFetchCalls,
    }),
    unpackers: new WorkerPool<LayerCalls>({ ...layers, maxWorkers: maxUnpackers }),
    cloners: new WorkerPool<LayerCalls>({ ...layers, maxWorkers: maxCloners }),
    archivers: new WorkerPool<ArchiveCalls>({
      ...one,
      script: new URL('./archive/archive-worker.ts', import.meta.url),
    }),
    measurers: new WorkerPool<MeasureCalls>({
      ...one,
      script: new URL('./usage/measure-worker.ts', import.meta.url),
      idleMs: measurerIdleMs,
    }),
  };
}

/** Ends all threads, and all work on images; what is unfinished is for the next start to clear away. */
export async function closeParts(parts: ImageParts): Promise<void> {
  parts.garbage.close();
  await parts.persister.close();
  await Promise.all([
    parts.layers.close(),
    ...Array.from(parts.others.values(), ({ layers }) => layers.close()),
    parts.downloads.close(),
    parts.fetchers.close(),
    parts.unpackers.close(),
    parts.cloners.close(),
    parts.archivers.close(),
    parts.measurers.close(),
    parts.usages.close(),
    parts.trash.close(),
  ]);
}

/** A power cut may have taken layers of an image; it has to be pulled again. */
function forgetIncomplete(table: ImageTable, snapshots: Snapshotter, log: Log): void {
  for (const { id, repoTags, chainIds } of table.list()) {
    if (chainIds.every((chainId) => snapshots.has(chainId))) continue;
    table.delete(id);
    log.warn(
      { image: id, repoTags },
      'the image is gone: the machine stopped before it was on the disk',
    );
  }
}
