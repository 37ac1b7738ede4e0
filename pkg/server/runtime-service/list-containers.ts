import type {
  Container as ContainerMessage,
  ContainerFilter,
  ListContainersRequest,
  ListContainersResponse,
} from '#api/cri/v1/types.ts';
import type { Container } from '#runtime/container/container.ts';
import type { ServerDeps } from '#server/deps.ts';
import { hasLabels } from '#server/label-filter.ts';
import { imageSpec, stateOf } from './container-message.ts';

/** Answered from memory, newest last. */
export function listContainers(
  { engine }: ServerDeps,
  { filter }: ListContainersRequest,
): ListContainersResponse {
  const listed = engine.containers.all().filter(({ state }) => state.kind !== 'creating');
  return {
    containers: listed
      .filter((container) => filter === null || matches(container, filter))
      .map(item),
  };
}

function matches(container: Container, filter: ContainerFilter): boolean {
  return (
    container.id.startsWith(filter.id) &&
    container.sandboxId.startsWith(filter.podSandboxId) &&
    (filter.state === null || filter.state.state === stateOf(container)) &&
    hasLabels(container.config.labels, filter.labelSelector)
  );
}

function item(container: Container): ContainerMessage {
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
