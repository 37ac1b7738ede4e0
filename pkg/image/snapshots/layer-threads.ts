import type { LayerCalls } from '#image/layer/layer-worker.ts';
import type { WorkerPool } from '#image/worker/worker-pool.ts';

/** The threads on which whatever takes long with trees of files is done. */
export type LayerThreads = Pick<WorkerPool<LayerCalls>, 'call'>;
