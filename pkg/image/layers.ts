import type { Descriptor } from '#api/oci/image.ts';
import { faultCode } from '#errors/fault.ts';
import { allOrStop } from './all-or-stop.ts';
import type { BlobSource, Downloads } from './downloads.ts';
import { Joined } from './joined.ts';
import { tooLarge } from './layer/bytes.ts';
import type { LayerCalls } from './layer/layer-worker.ts';
import type { Extracted } from './layer/extract.ts';
import type { Limit } from './limit.ts';
import type { RegistryAccess } from './registry/fetch-worker.ts';
import type { PlannedLayer } from './registry/resolve.ts';
import type { Snapshotter } from './snapshots/snapshotter.ts';
import { stage } from '#trace/span.ts';
import { stageFault } from './stage-fault.ts';
import { untilAborted } from './until-aborted.ts';
import type { WorkerPool } from './worker/worker-pool.ts';

export type LayersDeps = {
  readonly downloads: Downloads;
  readonly snapshots: Snapshotter;
  readonly unpackers: WorkerPool<LayerCalls>;
  readonly maxLayerBytes: number;
};

/** The layers of one image, the lowest first, and how many may be worked on at a time. */
export type LayerStack = {
  readonly layers: readonly StackedLayer[];
  /** Where what is missing comes from. */
  readonly access: RegistryAccess | undefined;
  readonly fetching: Limit;
  readonly unpacking: Limit;
};

export type StackedLayer = PlannedLayer & { readonly chainId: string };

/** Fetches and unpacks layers, each once, however many pulls need it. */
export class Layers {
  readonly #deps: LayersDeps;
  readonly #running = new Joined<string, void>();

  constructor(deps: LayersDeps) {
    this.#deps = deps;
  }

  /** Has the blobs and the snapshots of all layers when it resolves. */
  async ensure(stack: LayerStack, signal: AbortSignal): Promise<void> {
    for (const { blob } of stack.layers) this.#checkSize(blob);
    const jobs = stack.layers.map(
      (_, index) => (wanted: AbortSignal) => this.#ensureLayer(stack, index, wanted),
    );
    await allOrStop(jobs, signal);
  }

  /** Ends all work; resolves when nothing is written any more. */
  close(): Promise<void> {
    return this.#running.close();
  }

  #checkSize({ digest, size }: Descriptor): void {
    const { maxLayerBytes } = this.#deps;
    if (size <= maxLayerBytes) return;
    throw stageFault(`layer "${digest}"`, tooLarge(maxLayerBytes));
  }

  async #ensureLayer(stack: LayerStack, index: number, signal: AbortSignal): Promise<void> {
    const layer = stack.layers[index];
    if (layer === undefined) return;
    if (this.#deps.snapshots.has(layer.chainId)) {
      await this.#deps.downloads.fetch(sourceOf(stack, layer), signal);
    } else {
      const make = (wanted: AbortSignal) => this.#makeLayer(stack, index, wanted);
      await stage('layer', () => this.#running.run(layer.chainId, make, signal));
    }
  }

  async #makeLayer(stack: LayerStack, index: number, signal: AbortSignal): Promise<void> {
    const { snapshots } = this.#deps;
    const layer = stack.layers[index];
    if (layer === undefined) return;
    const directory = await snapshots.begin(signal);
    try {
      const extracted = await this.#unpack(stack, { layer, directory }, signal);
      // Its own signal: the pull that started this may have gone, and have let go of the layer below.
      await this.#ensureLayer(stack, index - 1, signal);
      const parent = stack.layers[index - 1]?.chainId;
      const snapshot = { chainId: layer.chainId, parent, extracted };
      await stage('snapshot', () => snapshots.commit(directory, snapshot, signal));
    } catch (error) {
      snapshots.abandon(directory);
      throw error;
    }
  }

  /** Unpacks a layer while it arrives. */
  async #unpack(
    stack: LayerStack,
    { layer, directory }: { readonly layer: StackedLayer; readonly directory: string },
    signal: AbortSignal,
  ): Promise<Extracted> {
    await using blob = await this.#deps.downloads.open(sourceOf(stack, layer), signal);
    const { fd, progress, stored } = blob;
    const { diffId, fileName } = layer;
    const { whiteouts } = this.#deps.snapshots;
    const extracted = Promise.withResolvers<Extracted>();
    const unpack = async (wanted: AbortSignal): Promise<void> => {
      using _slot = await stack.unpacking.hold();
      const { maxLayerBytes: maxBytes } = this.#deps;
      const request = { fd, progress, directory, diffId, fileName, whiteouts, maxBytes };
      try {
        extracted.resolve(
          await stage('unpack', () => this.#deps.unpackers.call('unpack', request, wanted)),
        );
      } catch (error) {
        // Its download stopped, and the reason is still on its way here from another thread.
        if (faultCode(error) === 'cancelled' && !wanted.aborted) await stored;
        throw error;
      }
    };
    const download = (wanted: AbortSignal) => stage('download', () => untilAborted(stored, wanted));
    await allOrStop([unpack, download], signal);
    return extracted.promise;
  }
}

function sourceOf({ access, fetching }: LayerStack, { blob }: PlannedLayer): BlobSource {
  return { access, blob, limit: fetching };
}
