import type {
  ListPodSandboxRequest,
  ListPodSandboxResponse,
  PodSandbox,
  PodSandboxFilter,
} from '#api/cri/v1/types.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
import type { ServerDeps } from '#server/deps.ts';
import { hasLabels } from '#server/label-filter.ts';
import { stateOf } from './pod-sandbox-status.ts';

/** Answered from memory, newest last. */
export function listPodSandbox(
  { engine }: ServerDeps,
  { filter }: ListPodSandboxRequest,
): ListPodSandboxResponse {
  const listed = engine.sandboxes.all().filter(({ state }) => state !== 'creating');
  return {
    items: listed.filter((sandbox) => filter === null || matches(sandbox, filter)).map(item),
  };
}

function matches(sandbox: Sandbox, filter: PodSandboxFilter): boolean {
  return (
    sandbox.id.startsWith(filter.id) &&
    (filter.state === null || filter.state.state === stateOf(sandbox)) &&
    hasLabels(sandbox.config.labels, filter.labelSelector)
  );
}

function item(sandbox: Sandbox): PodSandbox {
  const { id, createdAt, config } = sandbox;
  const { metadata, labels, annotations, runtimeHandler } = config;
  return { id, metadata, state: stateOf(sandbox), createdAt, labels, annotations, runtimeHandler };
}
