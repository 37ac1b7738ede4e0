import type { LinuxContainerResources } from '#api/cri/v1/types.ts';
import type { ContainerResources } from '#runtime/container/container.ts';

/** Limits as the CRI reports them: zero for what was not given. */
export function resourcesMessage(resources: ContainerResources): LinuxContainerResources {
  return {
    cpuPeriod: resources.cpuPeriod ?? 0,
    cpuQuota: resources.cpuQuota ?? 0,
    cpuShares: resources.cpuShares ?? 0,
    memoryLimitInBytes: resources.memoryLimitBytes ?? 0,
    oomScoreAdj: resources.oomScoreAdj ?? 0,
    cpusetCpus: resources.cpusetCpus ?? '',
    cpusetMems: resources.cpusetMems ?? '',
    hugepageLimits: resources.hugepageLimits.map(({ pageSize, limitBytes }) => ({
      pageSize,
      limit: limitBytes,
    })),
    unified: { ...resources.unified },
    memorySwapLimitInBytes: resources.memorySwapLimitBytes ?? 0,
  };
}
