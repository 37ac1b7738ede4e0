import type {
  ContainerStatsFilter,
  ListContainerStatsRequest,
  StreamContainerStatsRequest,
} from '#api/cri/v1/types.ts';
import type { Container } from '#runtime/container/container.ts';
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
import { containerGroups, writeContainerStats } from './container-stats.ts';

/** Of all containers that run. One that ends meanwhile is left out. */
export function listContainerStats(
  deps: ServerDeps,
  { filter }: ListContainerStatsRequest,
): Promise<EncodedMessage> {
  return listed(itemsOf(deps, filter), size);
}

const size: ListSize = { expectedBytes: 0 };

/** The same in parts, for lists that are larger than a message may be. */
export function streamContainerStats(
  deps: ServerDeps,
  { filter }: StreamContainerStatsRequest,
): AsyncIterable<EncodedMessage> {
  return streamed(itemsOf(deps, filter));
}

function itemsOf(deps: ServerDeps, filter: ContainerStatsFilter | null): WriteItems {
  const { containers, stats } = deps.engine;
  return async function* write(to) {
    const turns = new Turns();
    for (const { id } of containers.all()) {
      await turns.next();
      // As it is now: others had their turn.
      const container = containers.find(id);
      if (container?.state.kind !== 'running') continue;
      if (filter !== null && !matches(container, filter)) continue;
      const reading = stats.read(container, containerGroups);
      if (reading === undefined) continue;
      writeContainerStats(to, itemField, { deps, container, reading });
      yield;
    }
  };
}

function matches({ id, sandboxId, config }: Container, filter: ContainerStatsFilter): boolean {
  return (
    id.startsWith(filter.id) &&
    sandboxId.startsWith(filter.podSandboxId) &&
    hasLabels(config.labels, filter.labelSelector)
  );
}
