import type {
  PodSandboxStats,
  PodSandboxStatsRequest,
  PodSandboxStatsResponse,
} from '#api/cri/v1/types.ts';
import { Fault } from '#errors/fault.ts';
import { now } from '#runtime/clock.ts';
import type { Container } from '#runtime/container/container.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
import { containersOf } from '#runtime/sandbox/stop.ts';
import { countPodProcesses, readPod } from '#runtime/stats/pod-reading.ts';
import { type Interface, readPodTraffic } from '#runtime/stats/pod-traffic.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';
import { cpuMessage, ioMessage, memoryMessage, networkMessage } from '#server/stats-message.ts';
import { containerGroups, containerStatsMessage } from './container-stats.ts';

/** What a pod uses, and what each of its containers that run. */
export async function podSandboxStats(
  deps: ServerDeps,
  request: PodSandboxStatsRequest,
): Promise<Partial<PodSandboxStatsResponse>> {
  const { engine } = deps;
  const sandbox = engine.sandboxes.get(required(request.podSandboxId, 'pod_sandbox_id'));
  if (sandbox.state === 'creating')
    throw new Fault('not-found', `no sandbox "${request.podSandboxId}"`);
  const traffic = await readPodTraffic(engine, [sandbox]);
  const members = containersOf(engine, sandbox);
  return { stats: podStatsMessage(deps, sandbox, { members, links: traffic.get(sandbox.id) }) };
}

export type PodParts = {
  readonly members: readonly Container[];
  readonly links: readonly Interface[] | undefined;
};

export function podStatsMessage(
  deps: Pick<ServerDeps, 'engine' | 'images'>,
  sandbox: Sandbox,
  { members, links }: PodParts,
): PodSandboxStats {
  const { engine } = deps;
  const running = members
    .filter(({ state }) => state.kind === 'running')
    .flatMap((container) => {
      const read = engine.stats.read(container, containerGroups);
      return read === undefined ? [] : [{ container, read }];
    });
  const reading = readPod(
    engine,
    sandbox,
    running.map(({ read }) => read),
  );
  const processCount = countPodProcesses(
    engine,
    sandbox,
    running.map(({ container }) => container),
  );
  return {
    attributes: attributesOf(sandbox),
    linux: {
      cpu: reading ? cpuMessage(reading) : null,
      memory: reading ? memoryMessage(reading) : null,
      io: reading ? ioMessage(reading) : null,
      network: networkMessage(links, now()),
      process: { timestamp: now(), processCount: { value: processCount } },
      containers: running.map(({ container, read }) =>
        containerStatsMessage(deps, container, read),
      ),
    },
    windows: null,
  };
}

function attributesOf({ id, config }: Sandbox): PodSandboxStats['attributes'] {
  const { metadata, labels, annotations } = config;
  return { id, metadata, labels, annotations };
}
