import {
  type ContainerStatus,
  NamespaceMode,
  type PodSandboxStatus,
  type UserNamespace,
  PodSandboxState,
  type PodSandboxStatusRequest,
  type PodSandboxStatusResponse,
} from '#api/cri/v1/types.ts';
import { Fault } from '#errors/fault.ts';
import { now } from '#runtime/clock.ts';
import type { Container } from '#runtime/container/container.ts';
import type { Engine } from '#runtime/engine.ts';
import type { Sandbox, SandboxConfig } from '#runtime/sandbox/sandbox.ts';
import { containersOf } from '#runtime/sandbox/stop.ts';
import type { ServerDeps } from '#server/deps.ts';
import { mappingMessage } from '#server/user-namespace.ts';
import { required } from '#server/required.ts';
import { containerStatusMessage } from './container-status.ts';

/** Answered from memory: no lock is taken and nothing is waited for. */
export function podSandboxStatus(
  { engine, network }: ServerDeps,
  request: PodSandboxStatusRequest,
): Partial<PodSandboxStatusResponse> {
  const sandbox = engine.sandboxes.get(required(request.podSandboxId, 'pod_sandbox_id'));
  if (sandbox.state === 'creating')
    throw new Fault('not-found', `no sandbox "${request.podSandboxId}"`);
  return {
    status: podStatusMessage(sandbox),
    // For a kubelet that goes by events: it asks for the rest of what an event has.
    containersStatuses: listedIn(containersOf(engine, sandbox)),
    timestamp: now(),
    info: request.verbose
      ? {
          info: JSON.stringify(verboseInfo(engine, sandbox)),
          network: JSON.stringify(network.describePod(sandbox.id)),
        }
      : {},
  };
}

/** The statuses of a pod's containers, without those that are being made. */
export function listedIn(containers: readonly Container[]): ContainerStatus[] {
  return containers.filter(({ state }) => state.kind !== 'creating').map(containerStatusMessage);
}

export function stateOf({ state }: Sandbox): PodSandboxState {
  return state === 'ready' ? PodSandboxState.SANDBOX_READY : PodSandboxState.SANDBOX_NOTREADY;
}

export function podStatusMessage(sandbox: Sandbox): PodSandboxStatus {
  const { id, config, createdAt, network } = sandbox;
  const { metadata, labels, annotations, runtimeHandler } = config;
  return {
    id,
    metadata,
    state: stateOf(sandbox),
    createdAt,
    // Empty for hostNetwork: kubelet puts the node's addresses there.
    network: {
      ip: network?.address ?? '',
      additionalIps: (network?.additionalAddresses ?? []).map((ip) => ({ ip })),
    },
    linux: { namespaces: { options: namespaceOptions(config) } },
    labels,
    annotations,
    runtimeHandler,
  };
}

function usernsMessage(mapping: SandboxConfig['userNamespace']): UserNamespace | null {
  if (mapping === undefined) return null;
  const mappings = [mappingMessage(mapping)];
  return { mode: NamespaceMode.POD, uids: mappings, gids: mappings };
}

function namespaceOptions({ namespaces, userNamespace }: SandboxConfig) {
  const { network, ipc, pid } = namespaces;
  const modes = {
    pod: NamespaceMode.POD,
    container: NamespaceMode.CONTAINER,
    node: NamespaceMode.NODE,
  };
  const isTarget = typeof pid === 'object';
  return {
    network: modes[network],
    ipc: modes[ipc],
    pid: isTarget ? NamespaceMode.TARGET : modes[pid],
    targetId: isTarget ? pid.target : '',
    usernsOptions: usernsMessage(userNamespace),
  };
}

function verboseInfo(engine: Engine, sandbox: Sandbox): object {
  const paths = engine.layout.sandbox(sandbox.id);
  return { sandbox, stateDirectory: paths.folder, netns: paths.namespace('net') };
}
