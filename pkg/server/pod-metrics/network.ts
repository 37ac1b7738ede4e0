import type { Interface } from '#runtime/stats/pod-traffic.ts';
import type { PodMetric } from './metric.ts';

type Traffic = Interface['received'];

/** Of pods: their containers share the interfaces. */
export const networkMetrics: readonly PodMetric[] = (['receive', 'transmit'] as const).flatMap(
  (direction) => [
    metric(direction, 'bytes', 'bytes'),
    metric(direction, 'packets', 'packets'),
    metric(direction, 'packets_dropped', 'dropped'),
    metric(direction, 'errors', 'errors'),
  ],
);

function metric(direction: 'receive' | 'transmit', what: string, field: keyof Traffic): PodMetric {
  const end = direction === 'receive' ? 'received' : 'sent';
  return {
    name: `container_network_${direction}_${what}_total`,
    help: `Network ${what.replace('_', ' ')} of the pod, ${end}.`,
    type: 'counter',
    labels: ['interface'],
    read: (interfaces) =>
      interfaces.map((each) => ({ labels: [each.name], value: each[end][field] })),
  };
}
