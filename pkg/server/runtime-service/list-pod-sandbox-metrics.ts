import type { StatsGroup } from 'cgroupfs-ts';
import type {
  ListPodSandboxMetricsRequest,
  StreamPodSandboxMetricsRequest,
} from '#api/cri/v1/types.ts';
import type { Container } from '#runtime/container/container.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
import { countOpenFiles, maxOpenFiles } from '#runtime/stats/open-files.ts';
import { withTraffic } from '#runtime/stats/pod-traffic.ts';
import { Turns } from '#runtime/stats/turns.ts';
import type { ServerDeps } from '#server/deps.ts';
import {
  type EncodedMessage,
  itemField,
  listed,
  type ListSize,
  once,
  streamed,
} from '#server/encoded-list.ts';
import { type FilesystemSize, filesystemSize } from '#server/pod-metrics/filesystem-size.ts';
import { encodeLabels, writeMetrics } from '#server/pod-metrics/metric-encoder.ts';
import type { Measured } from '#server/pod-metrics/metric.ts';
import { containerMetrics, podMetrics } from '#server/pod-metrics/table.ts';
import type { WireWriter } from '#server/wire-writer.ts';

/** Of all pods that are ready, with their containers that run. What ends meanwhile is left out. */
export function listPodSandboxMetrics(
  deps: ServerDeps,
  _request: ListPodSandboxMetricsRequest,
): Promise<EncodedMessage> {
  return listed((to) => writePods(to, deps), size);
}

const size: ListSize = { expectedBytes: 0 };

/** The same in parts, for lists that are larger than a message may be. */
export function streamPodSandboxMetrics(
  deps: ServerDeps,
  _request: StreamPodSandboxMetricsRequest,
): AsyncIterable<EncodedMessage> {
  return streamed((to) => writePods(to, deps));
}

const groups = [
  'cpu',
  'memory',
  'pids',
  'io',
  'hugetlb',
  'pressure',
] as const satisfies StatsGroup[];

/** Of PodSandboxMetrics; the id has the same in ContainerMetrics. */
const field = { id: 1, containers: 3 } as const;

/** What one listing works with. */
type Listing = {
  readonly deps: ServerDeps;
  readonly filesystem: FilesystemSize;
  readonly turns: Turns;
};

async function* writePods(to: WireWriter, deps: ServerDeps): AsyncGenerator<void> {
  const { sandboxes, containers } = deps.engine;
  const filesystem = await filesystemSize(deps.images.root);
  const membersOf = Map.groupBy(containers.all(), ({ sandboxId }) => sandboxId);
  const listing = { deps, filesystem, turns: new Turns() };
  const ready = sandboxes.all().filter(({ state }) => state === 'ready');
  for await (const [{ id }, interfaces] of withTraffic(deps.engine, ready)) {
    await listing.turns.next();
    // As it is now: others had their turn.
    const sandbox = sandboxes.find(id);
    if (sandbox?.state !== 'ready') continue;
    const mark = to.begin(itemField);
    to.text(field.id, id);
    writeMetrics(to, podMetrics, { subject: interfaces ?? [], labels: podLabels(sandbox) });
    for (const member of membersOf.get(id) ?? []) {
      const measured = await measure(listing, member.id);
      if (measured !== undefined) writeContainer(to, sandbox, measured);
    }
    to.end(mark);
    yield;
  }
}

/** ContainerMetrics. */
function writeContainer(to: WireWriter, sandbox: Sandbox, subject: Measured): void {
  const mark = to.begin(field.containers);
  to.text(field.id, subject.container.id);
  const labels = Buffer.concat([ownLabels(subject.container), labelsForContainers(sandbox)]);
  writeMetrics(to, containerMetrics, { subject, labels });
  to.end(mark);
}

async function measure(
  { deps, filesystem, turns }: Listing,
  id: string,
): Promise<Measured | undefined> {
  const { stats, containers } = deps.engine;
  const container = containers.find(id);
  if (container?.state.kind !== 'running') return undefined;
  const reading = stats.read(container, groups);
  if (reading === undefined) return undefined;
  const pids = stats.processes(container);
  return {
    container,
    nowSeconds: Math.floor(reading.at / 1e9),
    startedSeconds: Math.floor(container.state.startedAt / 1e9),
    cgroup: reading.cgroup,
    processes: pids.length,
    openFiles: await countOpenFiles(pids, turns),
    maxOpenFiles: limitOf(container),
    rootfs: deps.images.rootfsUsage(id, reading.cgroup.cpu?.usageUs),
    filesystem,
  };
}

/** As it was when first asked for: hardly anything changes the limits of a process that runs. */
const limits = new WeakMap<Container, number>();

function limitOf(container: Container): number | undefined {
  const { state } = container;
  const known = limits.get(container);
  if (known !== undefined || state.kind !== 'running') return known;
  const limit = maxOpenFiles(state.process.pid);
  if (limit !== undefined) limits.set(container, limit);
  return limit;
}

/** In the order of `baseLabels`. The name is what cAdvisor gives to what is of a pod as a whole. */
const podLabels = once(({ id, config, cgroup }: Sandbox) => {
  const { name, namespace } = config.metadata;
  return encodeLabels(['POD', cgroup.parent, '', id, namespace, name]);
});

/** Of the container alone; those of its pod come after them. */
const ownLabels = once(({ id, config, cgroupPath, image }: Container) =>
  encodeLabels([config.metadata.name, cgroupPath, image.ref, id]),
);

const labelsForContainers = once(({ config }: Sandbox) =>
  encodeLabels([config.metadata.namespace, config.metadata.name]),
);
