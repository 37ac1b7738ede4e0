import {
  type ContainerEventResponse,
  ContainerEventType,
  type GetEventsRequest,
} from '#api/cri/v1/types.ts';
import type { EventKind, LifeEvent } from '#runtime/events/event.ts';
import type { ServerDeps } from '#server/deps.ts';
import { listedIn, podStatusMessage } from './pod-sandbox-status.ts';

const types = {
  created: ContainerEventType.CONTAINER_CREATED_EVENT,
  started: ContainerEventType.CONTAINER_STARTED_EVENT,
  stopped: ContainerEventType.CONTAINER_STOPPED_EVENT,
  deleted: ContainerEventType.CONTAINER_DELETED_EVENT,
} as const satisfies Record<EventKind, ContainerEventType>;

/**
 * All that happens to pods and containers, to any number of clients. The first one gets what happened
 * before it came, too, as far as that is kept: ends that were found at the start of the daemon.
 */
export async function* getContainerEvents(
  { engine }: ServerDeps,
  _request: GetEventsRequest,
  stop: AbortController,
): AsyncGenerator<Partial<ContainerEventResponse>> {
  for await (const event of engine.events.followOn(stop)) yield messageOf(event);
}

/** Without the pod's status where its record was lost: kubelet then looks for itself. */
function messageOf(event: LifeEvent): Partial<ContainerEventResponse> {
  const { kind, at, container, sandbox, containers } = event;
  return {
    containerId: (container ?? sandbox)?.id ?? '',
    containerEventType: types[kind],
    createdAt: at,
    podSandboxStatus: sandbox === undefined ? null : podStatusMessage(sandbox),
    containersStatuses: listedIn(containers),
  };
}
