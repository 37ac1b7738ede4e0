import type { PodSandboxStatsRequest } from '#api/cri/v1/types.ts';
import { Fault } from '#errors/fault.ts';
import { now } from '#runtime/clock.ts';
import type { Container } from '#runtime/container/container.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
import { containersOf } from '#runtime/sandbox/stop.ts';
import { countPodProcesses, readPod } from '#runtime/stats/pod-reading.ts';
import { type Interface, trafficOf } from '#runtime/stats/pod-traffic.ts';
import type { ServerDeps } from '#server/deps.ts';
import { type EncodedMessage, encoder, itemField, once } from '#server/encoded-list.ts';
import { required } from '#server/required.ts';
import {
  writeCpu,
  writeIo,
  writeMemory,
  writeNetwork,
  writeProcesses,
} from '#server/stats-message.ts';
import { WireWriter } from '#server/wire-writer.ts';
import { containerGroups, writeContainerStats } from './container-stats.ts';

/** What a pod uses, and what each of its containers that run. */
export async function podSandboxStats(
  deps: ServerDeps,
  request: PodSandboxStatsRequest,
): Promise<EncodedMessage> {
  const { engine } = deps;
  const sandbox = engine.sandboxes.get(required(request.podSandboxId, 'pod_sandbox_id'));
  if (sandbox.state === 'creating')
    throw new Fault('not-found', `no sandbox "${request.podSandboxId}"`);
  const links = await trafficOf(engine, sandbox);
  const to = new WireWriter();
  // As in a list of one.
  const mark = to.begin(itemField);
  writePodStats(to, deps, { sandbox, members: containersOf(engine, sandbox), links });
  to.end(mark);
  return to.take();
}

export type PodSubject = {
  readonly sandbox: Sandbox;
  readonly members: readonly Container[];
  readonly links: readonly Interface[] | undefined;
};

/** The fields of PodSandboxStats. */
export function writePodStats(
  to: WireWriter,
  deps: Pick<ServerDeps, 'engine' | 'images'>,
  { sandbox, members, links }: PodSubject,
): void {
  const { engine } = deps;
  const running = members.filter(({ state }) => state.kind === 'running');
  const readings = running.flatMap((container) => {
    const reading = engine.stats.read(container, containerGroups);
    return reading === undefined ? [] : [{ container, reading }];
  });
  const ofContainers = readings.map(({ reading }) => reading);
  const attributes = to.begin(1);
  to.raw(encodeAttributes(sandbox));
  to.end(attributes);
  const linux = to.begin(2);
  // Of a stopped one nothing runs; its cgroup is about to go.
  const isReady = sandbox.state === 'ready';
  const ofPod = isReady ? readPod(engine, sandbox, ofContainers) : undefined;
  if (ofPod !== undefined) {
    writeCpu(to, 1, ofPod);
    writeMemory(to, 2, ofPod);
    writeIo(to, 6, ofPod);
  }
  const at = now();
  writeNetwork(to, 3, { at, links });
  writeProcesses(to, 4, { at, count: isReady ? countPodProcesses(engine, sandbox, running) : 0 });
  for (const each of readings) writeContainerStats(to, 5, { deps, ...each });
  to.end(linux);
}

const encodeAttributes = once(({ id, config }: Sandbox) => {
  const { metadata, labels, annotations } = config;
  return encodeMessage({ id, metadata, labels, annotations });
});
const encodeMessage = encoder('PodSandboxAttributes');
