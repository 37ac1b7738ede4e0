import type {
  Container as ContainerMessage,
  ContainerFilter,
  ListContainersRequest,
  StreamContainersRequest,
} from '#api/cri/v1/types.ts';
import type { Container } from '#runtime/container/container.ts';
import type { ServerDeps } from '#server/deps.ts';
import {
  type EncodedMessage,
  encoder,
  listed,
  once,
  streamed,
  type WriteItems,
  writeEncoded,
} from '#server/encoded-list.ts';
import { hasLabels } from '#server/label-filter.ts';
import { imageSpec, stateOf } from './container-message.ts';

/** Answered from memory, newest last. */
export function listContainers(
  deps: ServerDeps,
  { filter }: ListContainersRequest,
): Promise<EncodedMessage> {
  return listed(itemsOf(deps, filter));
}

/** The same in parts, for lists that are larger than a message may be. */
export function streamContainers(
  deps: ServerDeps,
  { filter }: StreamContainersRequest,
): AsyncIterable<EncodedMessage> {
  return streamed(itemsOf(deps, filter));
}

function itemsOf({ engine }: ServerDeps, filter: ContainerFilter | null): WriteItems {
  const wanted = engine.containers
    .all()
    .filter(({ state }) => state.kind !== 'creating')
    .filter((container) => filter === null || matches(container, filter));
  return (to) => writeEncoded(to, wanted.map(encode));
}

/** kubelet lists all of them every second. */
const encode = once((container: Container) => encodeMessage(messageOf(container)));
const encodeMessage = encoder('Container');

function matches(container: Container, filter: ContainerFilter): boolean {
  return (
    container.id.startsWith(filter.id) &&
    container.sandboxId.startsWith(filter.podSandboxId) &&
    (filter.state === null || filter.state.state === stateOf(container)) &&
    hasLabels(container.config.labels, filter.labelSelector)
  );
}

function messageOf(container: Container): ContainerMessage {
  const { id, sandboxId, config, image, createdAt } = container;
  const { metadata, labels, annotations } = config;
  return {
    id,
    podSandboxId: sandboxId,
    metadata,
    image: imageSpec(container),
    // The id of the image, in the form in which ListImages gives it.
    imageRef: image.id,
    imageId: image.id,
    state: stateOf(container),
    createdAt,
    labels,
    annotations,
  };
}
