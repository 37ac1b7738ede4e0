import type {
  ListPodSandboxRequest,
  PodSandbox,
  PodSandboxFilter,
  StreamPodSandboxesRequest,
} from '#api/cri/v1/types.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
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
import { stateOf } from './pod-sandbox-status.ts';

/** Answered from memory, newest last. */
export function listPodSandbox(
  deps: ServerDeps,
  { filter }: ListPodSandboxRequest,
): Promise<EncodedMessage> {
  return listed(itemsOf(deps, filter));
}

/** The same in parts, for lists that are larger than a message may be. */
export function streamPodSandboxes(
  deps: ServerDeps,
  { filter }: StreamPodSandboxesRequest,
): AsyncIterable<EncodedMessage> {
  return streamed(itemsOf(deps, filter));
}

function itemsOf({ engine }: ServerDeps, filter: PodSandboxFilter | null): WriteItems {
  const wanted = engine.sandboxes
    .all()
    .filter(({ state }) => state !== 'creating')
    .filter((sandbox) => filter === null || matches(sandbox, filter));
  return (to) => writeEncoded(to, wanted.map(encode));
}

/** kubelet lists all of them every second. */
const encode = once((sandbox: Sandbox) => encodeMessage(messageOf(sandbox)));
const encodeMessage = encoder('PodSandbox');

function matches(sandbox: Sandbox, filter: PodSandboxFilter): boolean {
  return (
    sandbox.id.startsWith(filter.id) &&
    (filter.state === null || filter.state.state === stateOf(sandbox)) &&
    hasLabels(sandbox.config.labels, filter.labelSelector)
  );
}

function messageOf(sandbox: Sandbox): PodSandbox {
  const { id, createdAt, config } = sandbox;
  const { metadata, labels, annotations, runtimeHandler } = config;
  return { id, metadata, state: stateOf(sandbox), createdAt, labels, annotations, runtimeHandler };
}
