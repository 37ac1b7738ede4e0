import type { Container } from '#runtime/container/container.ts';
import type { ContainerMetric } from './metric.ts';

type Resources = Container['resources'];

/** The kernel's, where none was asked for (sched-bwc.rst; cgroup-v1/cgroups.rst). */
const defaultCpuPeriodUs = 100_000;
const defaultCpuShares = 1024;

/** What the container may use. A limit of 0 is none. */
export const specMetrics: readonly ContainerMetric[] = [
  spec(
    'container_spec_cpu_period',
    'The period of the processor limit in microseconds.',
    ({ cpuPeriod }) => cpuPeriod || defaultCpuPeriodUs,
  ),
  spec(
    'container_spec_cpu_quota',
    'The processor time that may be used in a period, in microseconds.',
    ({ cpuQuota }) => (cpuQuota === undefined || cpuQuota <= 0 ? undefined : cpuQuota),
  ),
  spec(
    'container_spec_cpu_shares',
    'The share of processor time, beside that of others.',
    ({ cpuShares }) => cpuShares || defaultCpuShares,
  ),
  spec('container_spec_memory_limit_bytes', 'The memory limit in bytes.', ({ memoryLimitBytes }) =>
    limit(memoryLimitBytes),
  ),
  spec(
    'container_spec_memory_reservation_limit_bytes',
    'The memory that is protected from being reclaimed, in bytes.',
    ({ unified }) => limit(Number(unified['memory.low'] ?? 0)),
  ),
  spec(
    'container_spec_memory_swap_limit_bytes',
    'The limit of memory and swap together, in bytes.',
    ({ memorySwapLimitBytes }) => limit(memorySwapLimitBytes),
  ),
];

function spec(
  name: string,
  help: string,
  read: (resources: Resources) => number | undefined,
): ContainerMetric {
  return { name, help, type: 'gauge', read: ({ container }) => read(container.resources) };
}

/** Negative and not a number (`max`) are no limit. */
function limit(bytes: number | undefined): number {
  return bytes !== undefined && bytes > 0 ? bytes : 0;
}
