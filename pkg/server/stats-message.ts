import type {
  CpuUsage,
  FilesystemUsage,
  IoUsage,
  MemoryUsage,
  NetworkInterfaceUsage,
  NetworkUsage,
  PsiStats,
  SwapUsage,
  UInt64Value,
} from '#api/cri/v1/types.ts';
import type { Images } from '#image/images.ts';
import type { UnixNanos } from '#runtime/clock.ts';
import type { Interface } from '#runtime/stats/pod-traffic.ts';
import type { Reading } from '#runtime/stats/stats-readers.ts';

/** What is unknown stays unset: kubelet takes a zero for a zero. */

/** Null where no hierarchy counts processor time. */
export function cpuMessage({ at, cgroup, nanoCores }: Reading): CpuUsage | null {
  const { cpu, pressure } = cgroup;
  return cpu === undefined
    ? null
    : {
        timestamp: at,
        usageCoreNanoSeconds: wrap(cpu.usageUs === undefined ? undefined : cpu.usageUs * 1000),
        usageNanoCores: wrap(nanoCores),
        psi: psiMessage(pressure?.cpu),
      };
}

/** Null where no hierarchy counts memory. */
export function memoryMessage({ at, cgroup }: Reading): MemoryUsage | null {
  const { memory, pressure } = cgroup;
  if (memory === undefined) return null;
  const { limitBytes, workingSetBytes } = memory;
  return {
    timestamp: at,
    workingSetBytes: wrap(workingSetBytes),
    availableBytes: wrap(left(limitBytes, workingSetBytes)),
    usageBytes: wrap(memory.usageBytes),
    rssBytes: wrap(memory.anonBytes),
    pageFaults: wrap(memory.pageFaults),
    majorPageFaults: wrap(memory.majorPageFaults),
    psi: psiMessage(pressure?.memory),
  };
}

/** Null where swap is not counted. */
export function swapMessage({ at, cgroup }: Reading): SwapUsage | null {
  const { swapBytes, swapLimitBytes } = cgroup.memory ?? {};
  if (swapBytes === undefined) return null;
  return {
    timestamp: at,
    swapAvailableBytes: wrap(left(swapLimitBytes, swapBytes)),
    swapUsageBytes: wrap(swapBytes),
  };
}

/** Null where pressure is not measured: there is nothing else in it. */
export function ioMessage({ at, cgroup }: Reading): IoUsage | null {
  const psi = psiMessage(cgroup.pressure?.io);
  return psi === null ? null : { timestamp: at, psi };
}

/** What a container has written over its image; null until it is measured. */
export function writableLayerMessage(
  images: Pick<Images, 'root' | 'rootfsUsage'>,
  containerId: string,
): FilesystemUsage | null {
  const usage = images.rootfsUsage(containerId);
  if (usage === undefined) return null;
  return {
    timestamp: usage.measuredAtMs * 1e6,
    fsId: { mountpoint: images.root },
    usedBytes: wrap(usage.usedBytes),
    inodesUsed: wrap(usage.inodes),
  };
}

/** Of a pod; null where it has no network of its own. */
export function networkMessage(
  interfaces: readonly Interface[] | undefined,
  timestamp: UnixNanos,
): NetworkUsage | null {
  if (interfaces === undefined) return null;
  const main = interfaces.find(({ name }) => name === 'eth0') ?? interfaces[0];
  return {
    timestamp,
    defaultInterface: main === undefined ? null : interfaceMessage(main),
    interfaces: interfaces.filter((each) => each !== main).map(interfaceMessage),
  };
}

function interfaceMessage({ name, received, sent }: Interface): NetworkInterfaceUsage {
  return {
    name,
    rxBytes: wrap(received.bytes),
    rxErrors: wrap(received.errors),
    txBytes: wrap(sent.bytes),
    txErrors: wrap(sent.errors),
  };
}

type Pressure = NonNullable<NonNullable<Reading['cgroup']['pressure']>['cpu']>;

function psiMessage(pressure: Pressure | undefined): PsiStats | null {
  if (pressure === undefined) return null;
  return { Full: stallMessage(pressure.full), Some: stallMessage(pressure.some) };
}

function stallMessage(stall: Pressure['some']): PsiStats['Full'] {
  if (stall === undefined) return null;
  const { totalUs, avg10Percent: Avg10, avg60Percent: Avg60, avg300Percent: Avg300 } = stall;
  return { Total: totalUs * 1000, Avg10, Avg60, Avg300 };
}

function left(limit: number | undefined, used: number | undefined): number | undefined {
  return limit === undefined || used === undefined ? undefined : Math.max(limit - used, 0);
}

function wrap(value: number | undefined): UInt64Value | null {
  return value === undefined ? null : { value };
}
