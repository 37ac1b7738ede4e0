import type { Images } from '#image/images.ts';
import type { Engine } from '#runtime/engine.ts';
import type { Tracer } from '#trace/tracer.ts';

/** What the metrics are of. */
export type MetricsDeps = {
  readonly tracer: Tracer;
  readonly engine: Engine;
  readonly images: Images;
  /** Version of this program. */
  readonly version: string;
};
