import { availableParallelism } from 'node:os';
import { chainIdsOf } from './digest.ts';
import type { ContentStore } from './content-store.ts';
import type { Garbage, Lease } from './garbage.ts';
import type { Image } from './image.ts';
import type { ImageTable } from './image-table.ts';
import type { Layers } from './layers.ts';
import { Limit } from './limit.ts';
import type { FetchCalls, RegistryAccess } from './registry/fetch-worker.ts';
import type { ImagePlan } from './registry/resolve.ts';
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
  const { plan, chainIds, lease } = await resolve(deps, access, signal);
  try {
    const layers = plan.layers.map((layer, n) => ({ ...layer, chainId: chainIds[n] ?? '' }));
    const fetching = new Limit(downloadsPerImage);
    const unpacking = new Limit(unpacksPerImage);
    await deps.layers.ensure({ layers, access, fetching, unpacking }, signal);
    signal.throwIfAborted();
    const image = deps.table.put({ reference: access.reference, plan, chainIds });
    deps.garbage.giveBack(lease);
    return image;
  } catch (error) {
    // Where the disk is full, room is needed more than a quick second try.
    const graceMs = stageCode(error) === 'resource-exhausted' ? 0 : deps.options.retryGraceMs;
    setTimeout(() => deps.garbage.giveBack(lease), graceMs).unref();
    throw error;
  }
}

type Resolved = {
  readonly plan: ImagePlan;
  readonly chainIds: readonly string[];
  readonly lease: Lease;
};

/** Finds out what is to be brought, and keeps what is there of it from being collected. */
async function resolve(
  { fetchers, content, garbage }: PullDeps,
  access: RegistryAccess,
  signal: AbortSignal,
): Promise<Resolved> {
  using _pause = garbage.pause();
  const plan = await fetchers.call('resolve', { access, store: content.directory }, signal);
  content.add(plan.documents);
  const chainIds = chainIdsOf(plan.layers.map(({ diffId }) => diffId));
  const digests = [...plan.documents, ...plan.layers.map(({ blob }) => blob)].map(
    ({ digest }) => digest,
  );
  const lease = { digests, chainIds };
  garbage.lease(lease);
  return { plan, chainIds, lease };
}
