import { basename } from 'node:path';
import type { StatsGroup } from 'cgroupfs-ts';
import { now } from '#runtime/clock.ts';
import type { Container } from '#runtime/container/container.ts';
import type { Engine } from '#runtime/engine.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
import type { Reading } from './stats-readers.ts';

export const podGroups = ['cpu', 'memory', 'pressure'] as const satisfies StatsGroup[];

/**
 * What a pod uses. Its cgroup tells, if it has one for itself, as kubelet gives it; else it is the sum of
 * the readings of its containers, which a container's end makes smaller.
 */
export function readPod(
  engine: Engine,
  sandbox: Sandbox,
  containers: readonly Reading[],
): Reading | undefined {
  const cgroupPath = ownCgroup(sandbox);
  if (cgroupPath === undefined) return sumOf(containers);
  return engine.stats.read({ id: sandbox.id, cgroupPath }, podGroups);
}

/** How many processes a pod has. */
export function countPodProcesses(
  { stats }: Engine,
  sandbox: Sandbox,
  containers: readonly Container[],
): number {
  const cgroupPath = ownCgroup(sandbox);
  const subjects = cgroupPath === undefined ? containers : [{ id: sandbox.id, cgroupPath }];
  return subjects.reduce((count, subject) => count + stats.processes(subject).length, 0);
}

/** The cgroup that is this pod's alone: kubelet's, which is named after the pod's uid. */
export function ownCgroup({ config, cgroup }: Sandbox): string | undefined {
  const { uid } = config.metadata;
  const name = basename(cgroup.parent);
  // In names of systemd a dash parts slices, so kubelet writes another character there.
  const isOwn = name.includes(uid) || name.includes(uid.replaceAll('-', '_'));
  return isOwn ? cgroup.parent : undefined;
}

function sumOf(readings: readonly Reading[]): Reading | undefined {
  const [first] = readings;
  if (first === undefined) return undefined;
  const total = (numberIn: (reading: Reading) => number | undefined): number | undefined =>
    readings
      .map(numberIn)
      .reduce((sum, number) =>
        sum === undefined || number === undefined ? undefined : sum + number,
      );
  const { cpu, memory } = first.cgroup;
  return {
    at: now(),
    nanoCores: total(({ nanoCores }) => nanoCores),
    cgroup: {
      cpu: cpu && { ...cpu, usageUs: total(({ cgroup }) => cgroup.cpu?.usageUs) },
      memory: memory && {
        ...memory,
        usageBytes: total(({ cgroup }) => cgroup.memory?.usageBytes),
        workingSetBytes: total(({ cgroup }) => cgroup.memory?.workingSetBytes),
        anonBytes: total(({ cgroup }) => cgroup.memory?.anonBytes),
        pageFaults: total(({ cgroup }) => cgroup.memory?.pageFaults),
        majorPageFaults: total(({ cgroup }) => cgroup.memory?.majorPageFaults),
        // Its containers' limits are not the pod's.
        limitBytes: undefined,
      },
      pids: undefined,
      io: undefined,
      hugetlb: undefined,
      pressure: undefined,
    },
  };
}
