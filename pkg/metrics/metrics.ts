import Registry from 'prom-client/lib/registry.js';
import { observeDaemon } from './daemon-process.ts';
import type { MetricsDeps } from './deps.ts';
import { observeLeaks } from './leaks.ts';
import { observeMonitors } from './monitors.ts';
import { observeObjects } from './objects.ts';
import { observeOperations } from './operations.ts';
import { observePulls } from './pulls.ts';

/** What Prometheus is told of this node. Counting goes on from the start; a page is made when asked for. */
export type Metrics = Disposable & {
  /** The page in Prometheus' text format, and its media type. */
  page(): Promise<{ readonly contentType: string; readonly text: string }>;
};

export function openMetrics(deps: MetricsDeps): Metrics {
  const registry = new Registry();
  const watching = new DisposableStack();
  watching.use(observeDaemon(registry, deps));
  watching.use(observeOperations(registry, deps));
  watching.use(observeObjects(registry, deps));
  observePulls(registry, deps);
  observeMonitors(registry, deps);
  observeLeaks(registry, deps);
  return {
    page: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
    [Symbol.dispose]: () => watching.dispose(),
  };
}
