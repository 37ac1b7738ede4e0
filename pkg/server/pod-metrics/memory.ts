import type { ContainerMetric, Measured, Sample } from './metric.ts';

type MemoryStats = NonNullable<Measured['cgroup']['memory']>;

export const memoryMetrics: readonly ContainerMetric[] = [
  gauge(
    'container_memory_usage_bytes',
    'Memory in use, with what could be given back.',
    'usageBytes',
  ),
  gauge('container_memory_max_usage_bytes', 'The highest memory usage so far.', 'peakBytes'),
  gauge(
    'container_memory_working_set_bytes',
    'Memory in use, without files that were not used of late.',
    'workingSetBytes',
  ),
  gauge('container_memory_rss', 'Anonymous memory in bytes.', 'anonBytes'),
  gauge('container_memory_cache', 'Memory that holds files, in bytes.', 'fileBytes'),
  gauge('container_memory_mapped_file', 'Memory of mapped files in bytes.', 'mappedFileBytes'),
  gauge('container_memory_kernel_usage', 'Memory of the kernel, in bytes.', 'kernelBytes'),
  gauge('container_memory_swap', 'Swap in use, in bytes.', 'swapBytes'),
  {
    name: 'container_memory_failcnt',
    help: 'How often the memory limit was in the way.',
    type: 'counter',
    read: ({ cgroup }) => cgroup.memory?.limitHits,
  },
  {
    name: 'container_memory_failures_total',
    help: 'Page faults, all and those that had to wait for a disk.',
    type: 'counter',
    labels: ['failure_type', 'scope'],
    read: ({ cgroup }) => [
      ...faults('pgfault', cgroup.memory?.pageFaults),
      ...faults('pgmajfault', cgroup.memory?.majorPageFaults),
    ],
  },
  {
    name: 'container_oom_events_total',
    help: 'Processes that the kernel killed for want of memory.',
    type: 'counter',
    read: ({ cgroup }) => cgroup.memory?.oomKills,
  },
];

function gauge(name: string, help: string, field: keyof MemoryStats): ContainerMetric {
  return { name, help, type: 'gauge', read: ({ cgroup }) => cgroup.memory?.[field] };
}

/** The cgroups that a container makes for itself count as the container in either scope. */
function faults(kind: string, value: number | undefined): Sample[] {
  if (value === undefined) return [];
  return ['container', 'hierarchy'].map((scope) => ({ labels: [kind, scope], value }));
}
