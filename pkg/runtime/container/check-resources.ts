import { Fault } from '#errors/fault.ts';
import type { Engine } from '#runtime/engine.ts';
import type { Container, ContainerResources } from './container.ts';

/** Refuses limits that the node cannot have, before anything is made for them or changed. */
export function checkResources(
  { cgroups }: Pick<Engine, 'cgroups'>,
  limits: ContainerResources,
): void {
  const { memoryLimitBytes: memory = 0, memorySwapLimitBytes: both = 0 } = limits;
  if (both > 0 && memory > both) {
    refuse(
      `memory_swap_limit_in_bytes: ${both} is memory and swap together, and memory alone has ${memory}`,
    );
  }
  for (const { pageSize } of limits.hugepageLimits) {
    if (!/^\d+[KMG]B$/.test(pageSize)) refuse(`hugepage_limits: "${pageSize}" is no size as "2MB"`);
  }
  const [first] = Object.keys(limits.unified);
  if (first !== undefined && cgroups.mounts.mode !== 'unified') {
    throw new Fault(
      'failed-precondition',
      `unified: "${first}" is of cgroup v2, and the node has v1`,
    );
  }
  for (const file of Object.keys(limits.unified)) {
    // `cgroup.*` is no limit: it moves, stops and kills processes.
    if (!/^(?!cgroup\.)[a-z0-9_]+(\.[A-Za-z0-9_]+)+$/.test(file)) {
      refuse(`unified: "${file}" is no file of a controller`);
    }
  }
}

/**
 * Refuses a limit of memory below what a running container cannot do without: cgroup v1 would refuse it,
 * but v2 would kill.
 */
export function checkMemoryInUse(
  { cgroups }: Pick<Engine, 'cgroups'>,
  { cgroupPath }: Container,
  limitBytes: number | undefined,
): void {
  if (limitBytes === undefined || limitBytes < 0) return;
  using reader = cgroups.openStats(cgroupPath);
  const inUse = reader.read(['memory'])?.memory?.workingSetBytes ?? 0;
  if (inUse <= limitBytes) return;
  const sentence = `memory limit of ${limitBytes} bytes: ${inUse} are in use`;
  throw new Fault('failed-precondition', sentence);
}

/** kubelet limits huge pages also where it knows that a container wants none. */
export function warnOfLimits({ limits, log }: Engine, { id, resources }: Container): void {
  const wanted = resources.hugepageLimits.filter(({ limitBytes }) => limitBytes > 0);
  if (limits.cgroups.hugetlb || wanted.length === 0) return;
  log.warn({ containerId: id }, 'huge pages are not limited: the node has no hugetlb controller');
}

function refuse(sentence: string): never {
  throw new Fault('invalid-argument', `resources: ${sentence}`);
}
