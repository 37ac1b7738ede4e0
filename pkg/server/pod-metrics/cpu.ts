import type { ContainerMetric } from './metric.ts';
import { wholeSeconds } from './whole-seconds.ts';

export const cpuMetrics: readonly ContainerMetric[] = [
  {
    name: 'container_cpu_usage_seconds_total',
    help: 'Processor time used, in seconds.',
    type: 'counter',
    labels: ['cpu'],
    read: ({ cgroup }) => {
      const value = wholeSeconds(cgroup.cpu?.usageUs);
      return value === undefined ? undefined : [{ labels: ['total'], value }];
    },
  },
  {
    name: 'container_cpu_user_seconds_total',
    help: 'Processor time used by programs themselves, in seconds.',
    type: 'counter',
    read: ({ cgroup }) => wholeSeconds(cgroup.cpu?.userUs),
  },
  {
    name: 'container_cpu_system_seconds_total',
    help: 'Processor time used by the kernel for the container, in seconds.',
    type: 'counter',
    read: ({ cgroup }) => wholeSeconds(cgroup.cpu?.systemUs),
  },
  {
    name: 'container_cpu_cfs_periods_total',
    help: 'Periods of the processor limit in which something was to run.',
    type: 'counter',
    read: ({ cgroup }) => cgroup.cpu?.periods,
  },
  {
    name: 'container_cpu_cfs_throttled_periods_total',
    help: 'Periods in which the processor limit was reached.',
    type: 'counter',
    read: ({ cgroup }) => cgroup.cpu?.throttledPeriods,
  },
  {
    name: 'container_cpu_cfs_throttled_seconds_total',
    help: 'Time for which the processor limit held the container up, in seconds.',
    type: 'counter',
    read: ({ cgroup }) => wholeSeconds(cgroup.cpu?.throttledUs),
  },
];
