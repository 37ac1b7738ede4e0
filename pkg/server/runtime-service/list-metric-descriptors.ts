import type {
  ListMetricDescriptorsRequest,
  ListMetricDescriptorsResponse,
} from '#api/cri/v1/types.ts';
import type { ServerDeps } from '#server/deps.ts';
import { baseLabels } from '#server/pod-metrics/metric.ts';
import { containerMetrics, podMetrics } from '#server/pod-metrics/table.ts';

/** Asked for once by kubelet, which then takes metrics with these names and labels only. */
export function listMetricDescriptors(
  _deps: ServerDeps,
  _request: ListMetricDescriptorsRequest,
): ListMetricDescriptorsResponse {
  return {
    descriptors: [...containerMetrics, ...podMetrics].map(({ name, help, labels = [] }) => ({
      name,
      help,
      labelKeys: [...baseLabels, ...labels],
    })),
  };
}
