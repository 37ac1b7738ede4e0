import type {
  ContainerStats,
  ContainerStatsRequest,
  ContainerStatsResponse,
} from '#api/cri/v1/types.ts';
import type { StatsGroup } from 'cgroupfs-ts';
import { Fault } from '#errors/fault.ts';
import type { Container } from '#runtime/container/container.ts';
import type { Reading } from '#runtime/stats/stats-readers.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';
import {
  cpuMessage,
  ioMessage,
  memoryMessage,
  swapMessage,
  writableLayerMessage,
} from '#server/stats-message.ts';

export const containerGroups = ['cpu', 'memory', 'pressure'] as const satisfies StatsGroup[];

/** What a container uses. One that does not run uses the files that it has written alone. */
export function containerStats(
  deps: ServerDeps,
  request: ContainerStatsRequest,
): Partial<ContainerStatsResponse> {
  const { containers, stats } = deps.engine;
  const container = containers.get(required(request.containerId, 'container_id'));
  if (container.state.kind === 'creating')
    throw new Fault('not-found', `no container "${request.containerId}"`);
  const isRunning = container.state.kind === 'running';
  const reading = isRunning ? stats.read(container, containerGroups) : undefined;
  return { stats: containerStatsMessage(deps, container, reading) };
}

export function containerStatsMessage(
  { images }: Pick<ServerDeps, 'images'>,
  container: Container,
  reading: Reading | undefined,
): ContainerStats {
  const { metadata, labels, annotations } = container.config;
  return {
    attributes: { id: container.id, metadata, labels, annotations },
    cpu: reading ? cpuMessage(reading) : null,
    memory: reading ? memoryMessage(reading) : null,
    swap: reading ? swapMessage(reading) : null,
    io: reading ? ioMessage(reading) : null,
    writableLayer: writableLayerMessage(images, container.id),
  };
}
