import type { CgroupStats } from 'cgroupfs-ts';
import type { ContainerMetric } from './metric.ts';
import { wholeSeconds } from './whole-seconds.ts';

type Resource = keyof NonNullable<CgroupStats['pressure']>;

/** Of cgroup v2 alone. */
export const pressureMetrics: readonly ContainerMetric[] = [
  ...pair('cpu', 'the processor'),
  ...pair('memory', 'memory'),
  ...pair('io', 'input and output'),
];

function pair(resource: Resource, words: string): ContainerMetric[] {
  return [
    {
      name: `container_pressure_${resource}_waiting_seconds_total`,
      help: `Time in which some of the container waited for ${words}, in seconds.`,
      type: 'counter',
      read: ({ cgroup }) => wholeSeconds(cgroup.pressure?.[resource]?.some?.totalUs),
    },
    {
      name: `container_pressure_${resource}_stalled_seconds_total`,
      help: `Time in which all of the container waited for ${words}, in seconds.`,
      type: 'counter',
      read: ({ cgroup }) => wholeSeconds(cgroup.pressure?.[resource]?.full?.totalUs),
    },
  ];
}
