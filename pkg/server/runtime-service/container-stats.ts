import type { StatsGroup } from 'cgroupfs-ts';
import type { ContainerStatsRequest } from '#api/cri/v1/types.ts';
import { Fault } from '#errors/fault.ts';
import type { Container } from '#runtime/container/container.ts';
import type { Reading } from '#runtime/stats/stats-readers.ts';
import type { ServerDeps } from '#server/deps.ts';
import { type EncodedMessage, encoder, itemField, once } from '#server/encoded-list.ts';
import { required } from '#server/required.ts';
import {
  writeCpu,
  writeIo,
  writeMemory,
  writeSwap,
  writeWritableLayer,
} from '#server/stats-message.ts';
import { WireWriter } from '#server/wire-writer.ts';

export const containerGroups = ['cpu', 'memory', 'pressure'] as const satisfies StatsGroup[];

/** What a container uses. One that does not run uses the files that it has written alone. */
export function containerStats(deps: ServerDeps, request: ContainerStatsRequest): EncodedMessage {
  const { containers, stats } = deps.engine;
  const container = containers.get(required(request.containerId, 'container_id'));
  if (container.state.kind === 'creating')
    throw new Fault('not-found', `no container "${request.containerId}"`);
  const isRunning = container.state.kind === 'running';
  const reading = isRunning ? stats.read(container, containerGroups) : undefined;
  const to = new WireWriter();
  // As in a list of one.
  writeContainerStats(to, itemField, { deps, container, reading });
  return to.take();
}

/** ContainerStats. */
export function writeContainerStats(
  to: WireWriter,
  field: number,
  { deps, container, reading }: Subject,
): void {
  const mark = to.begin(field);
  const attributes = to.begin(1);
  to.raw(encodeAttributes(container));
  to.end(attributes);
  if (reading !== undefined) {
    writeCpu(to, 2, reading);
    writeMemory(to, 3, reading);
    writeSwap(to, 5, reading);
    writeIo(to, 6, reading);
  }
  const activity = reading?.cgroup.cpu?.usageUs;
  writeWritableLayer(to, 4, { images: deps.images, containerId: container.id, activity });
  to.end(mark);
}

type Subject = {
  readonly deps: Pick<ServerDeps, 'images'>;
  readonly container: Container;
  readonly reading: Reading | undefined;
};

const encodeAttributes = once(({ id, config }: Container) => {
  const { metadata, labels, annotations } = config;
  return encodeMessage({ id, metadata, labels, annotations });
});
const encodeMessage = encoder('ContainerAttributes');
