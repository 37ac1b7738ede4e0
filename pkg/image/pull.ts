import { availableParallelism } from 'node:os';
import { chainIdsOf } from './digest.ts';
import type { ContentStore } from './content-store.ts';
import type { Garbage, Lease } from './garbage.ts';
import type { Image } from './image.ts';
import type { ImageTable } from './image-table.ts';
import type { Layers } from './layers.ts';
import { Limit } from './limit.ts';
import type { Planned } from './pull-progress.ts';
import type { FetchCalls, RegistryAccess } from './registry/fetch-worker.ts';
import type { ImagePlan } from './registry/resolve.ts';
import { stage } from '#trace/span.ts';
import { stageCode } from './stage-fault.ts';
import type { WorkerPool } from './worker/worker-pool.ts';

export type PullDeps = {
  readonly fetchers: WorkerPool<FetchCalls>;
  readonly layers: Layers;
  readonly content: ContentStore;
  readonly garbage: Garbage;
  readonly table: ImageTable;
  /** How long what a failed pull has brought is kept for the next try. */
  readonly options: { readonly retryGraceMs: number };
  readonly planned: Planned;
};

/** As containerd does: more would only share the same line, and be seen as greed by registries. */
const downloadsPerImage = 3;
const unpacksPerImage = Math.min(availableParallelism(), 4);

/** Brings one image, whole, and enters it; or fails, with nothing to be seen. */
export async function pullImage(
  deps: PullDeps,
  access: RegistryAccess,
  signal: AbortSignal,
): Promise<Image> {
  const known = await stage('resolve', () => resolve(deps, access, signal));
  try {
    await bringLayers(deps, { ...known, access }, signal);
    const image = deps.table.put({ reference: access.reference, ...known });
    deps.garbage.giveBack(known.lease);
    return image;
  } catch (error) {
    // Where the disk is full, room is needed more than a quick second try.
    const graceMs = stageCode(error) === 'resource-exhausted' ? 0 : deps.options.retryGraceMs;
    setTimeout(() => deps.garbage.giveBack(known.lease), graceMs).unref();
    throw error;
  }
}

/** An image of which it is known what it consists of. What is there of it is not collected. */
export type KnownImage = {
  readonly plan: ImagePlan;
  readonly chainIds: readonly string[];
  readonly lease: Lease;
};

/** Fetches and unpacks the layers that are missing; without `access` all blobs are in the store. */
export async function bringLayers(
  deps: Pick<PullDeps, 'layers' | 'planned'>,
  { plan, chainIds, access }: KnownImage & { readonly access: RegistryAccess | undefined },
  signal: AbortSignal,
): Promise<void> {
  const layers = plan.layers.map((layer, n) => ({ ...layer, chainId: chainIds[n] ?? '' }));
  deps.planned(layers);
  const fetching = new Limit(downloadsPerImage);
  const unpacking = new Limit(unpacksPerImage);
  await deps.layers.ensure({ layers, access, fetching, unpacking }, signal);
  signal.throwIfAborted();
}

/** Finds out what is to be brought, and keeps what is there of it from being collected. */
async function resolve(
  deps: PullDeps,
  access: RegistryAccess,
  signal: AbortSignal,
): Promise<KnownImage> {
  using _pause = deps.garbage.pause();
  const store = deps.content.directory;
  const plan = await deps.fetchers.call('resolve', { access, store }, signal).catch((error) => {
    deps.content.discover();
    throw error;
  });
  deps.content.add(plan.documents);
  return keepImage(deps, plan);
}

/** Takes a lease on all that an image needs; to be called before any of it may be collected. */
export function keepImage({ garbage }: Pick<PullDeps, 'garbage'>, plan: ImagePlan): KnownImage {
  const chainIds = chainIdsOf(plan.layers.map(({ diffId }) => diffId));
  const digests = [...plan.documents, ...plan.layers.map(({ blob }) => blob)].map(
    ({ digest }) => digest,
  );
  const lease = { digests, chainIds };
  garbage.lease(lease);
  return { plan, chainIds, lease };
}
