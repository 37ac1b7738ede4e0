import type {
  ListPodSandboxStatsRequest,
  PodSandboxStatsFilter,
  StreamPodSandboxStatsRequest,
} from '#api/cri/v1/types.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
import { withTraffic } from '#runtime/stats/pod-traffic.ts';
import { Turns } from '#runtime/stats/turns.ts';
import type { ServerDeps } from '#server/deps.ts';
import {
  type EncodedMessage,
  itemField,
  listed,
  type ListSize,
  streamed,
  type WriteItems,
} from '#server/encoded-list.ts';
import { hasLabels } from '#server/label-filter.ts';
import { writePodStats } from './pod-sandbox-stats.ts';

/** Of all pods that are ready. One that is stopped meanwhile is left out. */
export function listPodSandboxStats(
  deps: ServerDeps,
  { filter }: ListPodSandboxStatsRequest,
): Promise<EncodedMessage> {
  return listed(itemsOf(deps, filter), size);
}

const size: ListSize = { expectedBytes: 0 };

/** The same in parts, for lists that are larger than a message may be. */
export function streamPodSandboxStats(
  deps: ServerDeps,
  { filter }: StreamPodSandboxStatsRequest,
): AsyncIterable<EncodedMessage> {
  return streamed(itemsOf(deps, filter));
}

function itemsOf(deps: ServerDeps, filter: PodSandboxStatsFilter | null): WriteItems {
  const { sandboxes, containers } = deps.engine;
  return async function* write(to) {
    const wanted = sandboxes.all().filter((each) => filter === null || matches(each, filter));
    const membersOf = Map.groupBy(containers.all(), ({ sandboxId }) => sandboxId);
    const turns = new Turns();
    for await (const [{ id }, links] of withTraffic(deps.engine, wanted)) {
      await turns.next();
      // As they are now: others had their turn.
      const sandbox = sandboxes.find(id);
      if (sandbox?.state !== 'ready') continue;
      const before = membersOf.get(sandbox.id) ?? [];
      const members = before.flatMap((each) => containers.find(each.id) ?? []);
      const mark = to.begin(itemField);
      writePodStats(to, deps, { sandbox, members, links });
      to.end(mark);
      yield;
    }
  };
}

function matches({ id, config }: Sandbox, filter: PodSandboxStatsFilter): boolean {
  return id.startsWith(filter.id) && hasLabels(config.labels, filter.labelSelector);
}
