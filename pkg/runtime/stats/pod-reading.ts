import { basename } from 'node:path';
import type { CgroupStats, CpuStats, MemoryStats, StatsGroup } from 'cgroupfs-ts';
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
  if (readings.length === 0) return undefined;
  const cgroups = readings.map(({ cgroup }) => cgroup);
  const cgroup: CgroupStats = {
    cpu: sumFields<CpuStats>(cgroups.map(({ cpu }) => cpu)),
    // The containers' limits are not the pod's.
    memory: withoutLimits(sumFields<MemoryStats>(cgroups.map(({ memory }) => memory))),
    pids: undefined,
    io: undefined,
    hugetlb: undefined,
    pressure: undefined,
  };
  return { at: now(), cgroup, nanoCores: sum(readings.map(({ nanoCores }) => nanoCores)) };
}

function withoutLimits(memory: MemoryStats | undefined): MemoryStats | undefined {
  return memory && { ...memory, limitBytes: undefined, swapLimitBytes: undefined };
}

type Numbers<Fields> = { readonly [Field in keyof Fields]: number | undefined };

/** Field by field; what one does not have, the sum has not. */
function sumFields<Fields extends Numbers<Fields>>(
  all: readonly (Fields | undefined)[],
): Fields | undefined {
  const known = all.filter((fields) => fields !== undefined);
  const [first] = known;
  if (first === undefined || known.length < all.length) return undefined;
  const columns = known.map(
    (fields) => new Map<string, number | undefined>(Object.entries(fields)),
  );
  const sums = Object.keys(first).map(
    (key) => [key, sum(columns.map((of) => of.get(key)))] as const,
  );
  return { ...first, ...Object.fromEntries(sums) };
}

function sum(numbers: readonly (number | undefined)[]): number | undefined {
  return numbers.reduce((total, number) =>
    total === undefined || number === undefined ? undefined : total + number,
  );
}
