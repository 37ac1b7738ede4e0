import type { StatsGroup } from 'cgroupfs-ts';
import type {
  ListPodSandboxMetricsRequest,
  StreamPodSandboxMetricsRequest,
} from '#api/cri/v1/types.ts';
import type { Container } from '#runtime/container/container.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
import { countOpenFiles, maxOpenFiles } from '#runtime/stats/open-files.ts';
import { readPodTraffic } from '#runtime/stats/pod-traffic.ts';
import { Turns } from '#runtime/stats/turns.ts';
import type { ServerDeps } from '#server/deps.ts';
import { type EncodedItem, type EncodedMessage, listed, streamed } from '#server/encoded-list.ts';
import { type FilesystemSize, filesystemSize } from '#server/pod-metrics/filesystem-size.ts';
import { appendMetrics, encodeLabels } from '#server/pod-metrics/metric-encoder.ts';
import type { Measured } from '#server/pod-metrics/metric.ts';
import { containerMetrics, podMetrics } from '#server/pod-metrics/table.ts';
import { WireBuffer, wireText } from '#server/pod-metrics/wire.ts';

/** Of all pods that are ready, with their containers that run. What ends meanwhile is left out. */
export function listPodSandboxMetrics(
  deps: ServerDeps,
  _request: ListPodSandboxMetricsRequest,
): Promise<EncodedMessage> {
  return listed(items(deps));
}

/** The same in parts, for lists that are larger than a message may be. */
export function streamPodSandboxMetrics(
  deps: ServerDeps,
  _request: StreamPodSandboxMetricsRequest,
): AsyncIterable<EncodedMessage> {
  return streamed(items(deps));
}

const groups = [
  'cpu',
  'memory',
  'pids',
  'io',
  'hugetlb',
  'pressure',
] as const satisfies StatsGroup[];

/** Of PodSandboxMetrics, and the id of ContainerMetrics. */
const field = { response: 1, id: 1, containers: 3 } as const;

/** What one listing works with. */
type Listing = {
  readonly deps: ServerDeps;
  readonly filesystem: FilesystemSize;
  readonly turns: Turns;
  /** For one container after the other. */
  readonly buffer: WireBuffer;
};

async function* items(deps: ServerDeps): AsyncGenerator<EncodedItem> {
  const { sandboxes, containers } = deps.engine;
  const ready = sandboxes.all().filter(({ state }) => state === 'ready');
  const [filesystem, traffic] = await Promise.all([
    filesystemSize(deps.images.root),
    readPodTraffic(deps.engine, ready),
  ]);
  const membersOf = Map.groupBy(containers.all(), ({ sandboxId }) => sandboxId);
  const listing = { deps, filesystem, turns: new Turns(), buffer: new WireBuffer() };
  const buffer = new WireBuffer();
  for (const sandbox of ready) {
    await listing.turns.next();
    if (sandboxes.find(sandbox.id)?.state !== 'ready') continue;
    buffer.fields(wireText(field.id, sandbox.id));
    const labels = podLabels(sandbox);
    appendMetrics(buffer, podMetrics, { subject: traffic.get(sandbox.id) ?? [], labels });
    for (const { id } of membersOf.get(sandbox.id) ?? []) {
      const metrics = await containerMetricsOf(listing, sandbox, id);
      if (metrics !== undefined) buffer.message(field.containers, [metrics]);
    }
    const pod = buffer.take();
    buffer.message(field.response, [pod]);
    yield buffer.take();
  }
}

/** An encoded ContainerMetrics; undefined of a container that does not run. */
async function containerMetricsOf(
  listing: Listing,
  sandbox: Sandbox,
  id: string,
): Promise<Buffer | undefined> {
  const container = listing.deps.engine.containers.find(id);
  const subject = container && (await measure(listing, container));
  if (subject === undefined) return undefined;
  const { buffer } = listing;
  buffer.fields(wireText(field.id, id));
  const labels = containerLabels(sandbox, subject.container);
  appendMetrics(buffer, containerMetrics, { subject, labels });
  return buffer.take();
}

async function measure(
  { deps, filesystem, turns }: Listing,
  container: Container,
): Promise<Measured | undefined> {
  const { state } = container;
  if (state.kind !== 'running') return undefined;
  const { stats, cgroups } = deps.engine;
  const reading = stats.read(container, groups);
  if (reading === undefined) return undefined;
  const pids = cgroups.processesNow(container.cgroupPath);
  return {
    container,
    nowSeconds: Math.floor(reading.at / 1e9),
    startedSeconds: Math.floor(state.startedAt / 1e9),
    cgroup: reading.cgroup,
    processes: pids.length,
    openFiles: await countOpenFiles(pids, turns),
    maxOpenFiles: maxOpenFiles(state.process.pid),
    rootfs: deps.images.rootfsUsage(container.id),
    filesystem,
  };
}

/** In the order of `baseLabels`. The name is what cAdvisor gives to what is of a pod as a whole. */
function podLabels({ id, config, cgroup }: Sandbox): Buffer {
  const { name, namespace } = config.metadata;
  return encodeLabels(['POD', cgroup.parent, '', id, namespace, name]);
}

function containerLabels({ config }: Sandbox, container: Container): Buffer {
  const { name, namespace } = config.metadata;
  const { id, cgroupPath, image } = container;
  return encodeLabels([container.config.metadata.name, cgroupPath, image.ref, id, namespace, name]);
}
