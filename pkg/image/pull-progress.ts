import type { FaultCode } from '#errors/fault.ts';
import type { StackedLayer } from './layers.ts';

/** `exists`: it was on this node before, and nothing has to be done for it. */
export type LayerStage = 'waiting' | 'downloading' | 'unpacking' | 'done' | 'exists';

export type LayerProgress = {
  /** Of the layer as registries have it. */
  readonly digest: string;
  readonly stage: LayerStage;
  /** How much of it is on this node. */
  readonly bytes: number;
  readonly totalBytes: number;
  /** Over the last seconds. */
  readonly bytesPerSecond: number;
};

/** One pull or import, while it runs and for a minute after. */
export type PullProgress = {
  readonly kind: 'pull' | 'import';
  /** Complete: `docker.io/library/busybox:latest`. */
  readonly reference: string;
  /** RFC 3339. */
  readonly startedAt: string;
  /** The lowest first; empty until it is known what the image consists of. */
  readonly layers: readonly LayerProgress[];
  readonly outcome:
    | { readonly kind: 'running' }
    | { readonly kind: 'done'; readonly finishedAt: string; readonly imageId: string }
    | {
        readonly kind: 'failed';
        readonly finishedAt: string;
        readonly code: FaultCode;
        readonly message: string;
      };
};

/** Told what an image consists of, as soon as that is known. */
export type Planned = (layers: readonly StackedLayer[]) => void;

/** Where to look how far a layer is. */
export type ProgressDeps = {
  readonly content: { has(digest: string): boolean };
  readonly snapshots: { has(chainId: string): boolean };
  /** Of a blob on its way; undefined of any other. */
  readonly downloads: { receivedBytes(digest: string): number | undefined };
};

/** Over how many samples a rate is taken. */
const rateSamples = 6;

type WatchedLayer = {
  readonly layer: StackedLayer;
  readonly existed: boolean;
  /** How many bytes there were when, the latest last. */
  samples: readonly { readonly atMs: number; readonly bytes: number }[];
};

/** Looks how far one pull is, when told to. */
export class WatchedPull {
  readonly #subject: Pick<PullProgress, 'kind' | 'reference'>;
  readonly #deps: ProgressDeps;
  readonly #startedAt = rfc3339();
  #layers: readonly WatchedLayer[] = [];

  constructor(subject: Pick<PullProgress, 'kind' | 'reference'>, deps: ProgressDeps) {
    this.#subject = subject;
    this.#deps = deps;
  }

  plan(layers: readonly StackedLayer[]): void {
    this.#layers = layers.map((layer) => ({ layer, existed: this.#isDone(layer), samples: [] }));
    this.sample();
  }

  sample(): void {
    const atMs = performance.now();
    for (const watched of this.#layers) {
      const sample = { atMs, bytes: this.#bytesOf(watched.layer) };
      watched.samples = [...watched.samples, sample].slice(-rateSamples);
    }
  }

  view(outcome: PullProgress['outcome']): PullProgress {
    const layers = this.#layers.map((watched) => this.#viewLayer(watched));
    return { ...this.#subject, startedAt: this.#startedAt, layers, outcome };
  }

  #viewLayer(watched: WatchedLayer): LayerProgress {
    const { layer } = watched;
    const { digest, size: totalBytes } = layer.blob;
    const stage = this.#stageOf(watched);
    const bytes = this.#bytesOf(layer);
    const bytesPerSecond = stage === 'downloading' ? rateOf(watched.samples) : 0;
    return { digest, stage, bytes, totalBytes, bytesPerSecond };
  }

  #stageOf({ layer, existed }: WatchedLayer): LayerStage {
    if (this.#isDone(layer)) return existed ? 'exists' : 'done';
    if (this.#deps.content.has(layer.blob.digest)) return 'unpacking';
    return this.#bytesOf(layer) > 0 ? 'downloading' : 'waiting';
  }

  #isDone({ blob, chainId }: StackedLayer): boolean {
    return this.#deps.content.has(blob.digest) && this.#deps.snapshots.has(chainId);
  }

  #bytesOf({ blob }: StackedLayer): number {
    if (this.#deps.content.has(blob.digest)) return blob.size;
    return this.#deps.downloads.receivedBytes(blob.digest) ?? 0;
  }
}

function rateOf(samples: WatchedLayer['samples']): number {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.atMs === first.atMs) return 0;
  const seconds = (last.atMs - first.atMs) / 1000;
  return Math.max(0, Math.round((last.bytes - first.bytes) / seconds));
}

export function rfc3339(): string {
  return new Date().toISOString();
}
