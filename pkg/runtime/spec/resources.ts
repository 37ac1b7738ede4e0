import type { LinuxResources } from '#api/oci/runtime.ts';
import type { CgroupAbilities } from '#runtime/cgroup-abilities.ts';
import { given } from '#runtime/given.ts';
import type { ContainerResources } from '#runtime/container/container.ts';

type DeviceRules = LinuxResources['devices'];

/** Limits as the OCI runtime writes them to the cgroup. What is not given is not written. */
export function resourcesOf(
  wishes: ContainerResources,
  devices: DeviceRules,
  abilities: CgroupAbilities,
): LinuxResources {
  const cpu = given({
    shares: wishes.cpuShares,
    quota: wishes.cpuQuota,
    period: wishes.cpuPeriod,
    cpus: wishes.cpusetCpus,
    mems: wishes.cpusetMems,
  });
  const memory = given({
    limit: wishes.memoryLimitBytes,
    // A limit without a word on swap means no swap: the kernel counts memory and swap together.
    swap: wishes.memorySwapLimitBytes ?? (abilities.swap ? wishes.memoryLimitBytes : undefined),
  });
  const hugepageLimits = wishes.hugepageLimits
    .filter(() => abilities.hugetlb)
    .map(({ pageSize, limitBytes }) => ({ pageSize, limit: limitBytes }));
  return {
    devices,
    ...(Object.keys(cpu).length > 0 ? { cpu } : {}),
    ...(Object.keys(memory).length > 0 ? { memory } : {}),
    ...(hugepageLimits.length > 0 ? { hugepageLimits } : {}),
    ...(Object.keys(wishes.unified).length > 0 ? { unified: wishes.unified } : {}),
  };
}

/** A new cgroup has no quota anyway, and to say so to crun 1.8 is an error on cgroup v1. */
export function withoutEndlessQuota(wishes: ContainerResources): ContainerResources {
  const { cpuQuota = 0, ...others } = wishes;
  return cpuQuota < 0 ? others : wishes;
}
