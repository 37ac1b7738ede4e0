import { cpuMetrics } from './cpu.ts';
import { filesystemMetrics } from './filesystem.ts';
import { hugetlbMetrics } from './hugetlb.ts';
import { memoryMetrics } from './memory.ts';
import type { ContainerMetric, PodMetric } from './metric.ts';
import { networkMetrics } from './network.ts';
import { pressureMetrics } from './pressure.ts';
import { processMetrics } from './process.ts';
import { specMetrics } from './spec.ts';

/** What kubelet exposes of containers under cAdvisor's names, so that dashboards go on working. */
export const containerMetrics: readonly ContainerMetric[] = [
  ...cpuMetrics,
  ...memoryMetrics,
  ...filesystemMetrics,
  ...processMetrics,
  ...specMetrics,
  ...pressureMetrics,
  ...hugetlbMetrics,
];

export const podMetrics: readonly PodMetric[] = networkMetrics;
