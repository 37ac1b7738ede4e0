import type { Log } from '#log/log.ts';
import type { MetricsDeps } from '#metrics/deps.ts';
import { serveMetrics } from '#metrics/listener.ts';
import { type Metrics, openMetrics } from '#metrics/metrics.ts';

type Options = MetricsDeps & { readonly log: Log; readonly listen: string | undefined };

/** Begins to count and, where it is configured, to serve. */
export async function startMetrics(
  options: Options,
  opened: AsyncDisposableStack,
): Promise<Metrics> {
  const { log, listen } = options;
  const metrics = opened.use(openMetrics(options));
  if (listen !== undefined) {
    const listener = await serveMetrics({ metrics, log }, listen);
    opened.defer(() => listener.close());
  }
  return metrics;
}
