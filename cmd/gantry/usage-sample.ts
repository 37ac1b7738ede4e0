import { readText } from '#linux/read-file.ts';
import type { Cgroupfs, CgroupStats } from 'cgroupfs-ts';
import type { ContainerView, PodView } from '#admin/pod-json.ts';

/** What a running container has used by one moment, read from the kernel: the daemon may be down. */
export type UsageSample = {
  readonly pod: string;
  readonly container: ContainerView;
  /** Milliseconds, of a clock that does not jump. */
  readonly atMs: number;
  readonly stats: CgroupStats;
  /** Bytes of all interfaces of the pod but its loopback; absent on the node's network. */
  readonly network?: { readonly receivedBytes: number; readonly sentBytes: number };
};

/** Samples of all running containers of these pods. One that ends meanwhile is left out. */
export async function sampleUsage(
  pods: readonly PodView[],
  cgroups: Cgroupfs,
): Promise<UsageSample[]> {
  const samples = pods.flatMap((pod) =>
    pod.containers
      .filter(({ state }) => state === 'running')
      .map((container) => sampleOf(pod, container, cgroups)),
  );
  return (await Promise.all(samples)).filter((sample) => sample !== undefined);
}

async function sampleOf(
  pod: PodView,
  container: ContainerView,
  cgroups: Cgroupfs,
): Promise<UsageSample | undefined> {
  const stats = await cgroups.readStats(container.cgroupPath);
  if (stats === undefined) return undefined;
  const network = pod.network === 'node' ? undefined : trafficOf(container.pid);
  const name = `${pod.namespace}/${pod.name}`;
  return { pod: name, container, atMs: performance.now(), stats, ...(network && { network }) };
}

/** Cores in use between two samples of a container: 1.5 is one and a half of them, all the time. */
export function coresBetween(earlier: UsageSample | undefined, later: UsageSample) {
  const [from, to] = [earlier?.stats.cpu?.usageUs, later.stats.cpu?.usageUs];
  if (earlier === undefined || from === undefined || to === undefined) return undefined;
  return Math.max(0, (to - from) / 1000 / (later.atMs - earlier.atMs));
}

/** proc_pid_net(5): a process's own network's interfaces. */
function trafficOf(pid = 0): UsageSample['network'] {
  try {
    const lines = readText(`/proc/${pid}/net/dev`).split('\n').slice(2, -1);
    const rows = lines.map((line) => line.trim().split(/[\s:]+/)).filter(([name]) => name !== 'lo');
    const sum = (column: number) => rows.reduce((all, row) => all + Number(row[column]), 0);
    return { receivedBytes: sum(1), sentBytes: sum(9) };
  } catch {
    return undefined;
  }
}
