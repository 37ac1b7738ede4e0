import type * as cri from '#api/cri/v1/types.ts';
import { Fault } from '#errors/fault.ts';
import type { ContainerResources } from '#runtime/container/container.ts';
import { given } from '#runtime/given.ts';

const field = 'linux.resources';
// cpuset(7), "List format"
const cpuList = /^(\d+(-\d+)?)(,\d+(-\d+)?)*$/;

/** Zero means "not given" for each number, as the proto says, and -1 of some no limit. */
export function containerResources(
  message: cri.LinuxContainerResources | null | undefined,
): ContainerResources {
  if (message === null || message === undefined) return { hugepageLimits: [], unified: {} };
  return {
    ...given({
      cpuPeriod: amount(message.cpuPeriod, 'cpu_period', 0),
      cpuQuota: amount(message.cpuQuota, 'cpu_quota', -1),
      cpuShares: amount(message.cpuShares, 'cpu_shares', 0),
      cpusetCpus: list(message.cpusetCpus, 'cpuset_cpus'),
      cpusetMems: list(message.cpusetMems, 'cpuset_mems'),
      memoryLimitBytes: amount(message.memoryLimitInBytes, 'memory_limit_in_bytes', -1),
      memorySwapLimitBytes: amount(
        message.memorySwapLimitInBytes,
        'memory_swap_limit_in_bytes',
        -1,
      ),
      oomScoreAdj: oomScore(message.oomScoreAdj),
    }),
    hugepageLimits: message.hugepageLimits.map(({ pageSize, limit }) => ({
      pageSize,
      limitBytes: limit,
    })),
    unified: message.unified,
  };
}

/** The largest number that, read as a double and written in decimals, fits into 63 bits. */
const most = 2 ** 63 - 1024;

function amount(value: number, name: string, least: number): number | undefined {
  if (value < least) throw new Fault('invalid-argument', `${field}.${name}: ${value} is too low`);
  return value === 0 ? undefined : Math.min(value, most);
}

function list(value: string, name: string): string | undefined {
  if (value === '') return undefined;
  if (cpuList.test(value)) return value;
  const sentence = `${field}.${name}: ${JSON.stringify(value)} is no list such as "0-3,7"`;
  throw new Fault('invalid-argument', sentence);
}

/** proc_pid_oom_score_adj(5). */
function oomScore(value: number): number {
  if (value >= -1000 && value <= 1000) return value;
  throw new Fault('invalid-argument', `${field}.oom_score_adj: ${value} is not from -1000 to 1000`);
}
