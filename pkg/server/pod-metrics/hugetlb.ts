import type { HugetlbStats } from 'cgroupfs-ts';
import type { ContainerMetric } from './metric.ts';

export const hugetlbMetrics: readonly ContainerMetric[] = [
  {
    name: 'container_hugetlb_usage_bytes',
    help: 'Huge pages in use, in bytes, by their size.',
    type: 'gauge',
    labels: ['pagesize'],
    read: ({ cgroup }) =>
      cgroup.hugetlb?.map(({ pageSize, usageBytes }) => ({
        labels: [pageSize],
        value: usageBytes,
      })),
  },
  {
    name: 'container_hugetlb_max_usage_bytes',
    help: 'The most huge pages in use so far, in bytes, by their size. Of cgroup v1 alone.',
    type: 'gauge',
    labels: ['pagesize'],
    read: ({ cgroup }) => cgroup.hugetlb?.flatMap(peakOf),
  },
];

function peakOf({ pageSize, peakBytes }: HugetlbStats) {
  return peakBytes === undefined ? [] : [{ labels: [pageSize], value: peakBytes }];
}
