import type { UnixNanos } from '#runtime/clock.ts';
import type { Container } from '#runtime/container/container.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';

/** A pod as this endpoint tells of it. Times are RFC 3339. */
export type PodView = {
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly attempt: number;
  readonly state: Sandbox['state'];
  readonly createdAt: string;
  /** None for a pod on the node's network, or without any yet, or any more. */
  readonly addresses: readonly string[];
  readonly network: 'pod' | 'node';
  /** Empty for the default one. */
  readonly runtimeHandler: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly containers: readonly ContainerView[];
};

/** A container as this endpoint tells of it. What is absent is not so, or not yet. */
export type ContainerView = {
  readonly id: string;
  readonly podId: string;
  readonly name: string;
  /** How often kubelet has made it anew: its restarts. */
  readonly attempt: number;
  readonly state: Container['state']['kind'];
  readonly image: Container['image'];
  readonly createdAt: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly exitCode?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly pid?: number;
  readonly runtimeHandler: string;
  readonly cgroupPath: string;
  /** Empty for no log. */
  readonly logPath: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
};

type Records = {
  readonly sandboxes: readonly Sandbox[];
  readonly containers: readonly Container[];
};

/** All pods with their containers, in the order of their making. */
export function podViews({ sandboxes, containers }: Records): PodView[] {
  const ofPod = Map.groupBy(containers, ({ sandboxId }) => sandboxId);
  return sandboxes.map((sandbox) => podView(sandbox, ofPod.get(sandbox.id) ?? []));
}

function podView(sandbox: Sandbox, containers: readonly Container[]): PodView {
  const { id, config, state, createdAt, network } = sandbox;
  const { metadata, namespaces, runtimeHandler, labels, annotations } = config;
  return {
    id,
    ...metadata,
    state,
    createdAt: timestamp(createdAt),
    addresses:
      // They may be another pod's by now.
      network === undefined || state === 'stopped'
        ? []
        : [network.address, ...(network.additionalAddresses ?? [])],
    network: namespaces.network,
    runtimeHandler,
    labels,
    annotations,
    containers: containers.map(containerView),
  };
}

function containerView(container: Container): ContainerView {
  const { id, sandboxId, config, state, image, createdAt } = container;
  const { runtimeHandler, cgroupPath, logPath } = container;
  const { metadata, labels, annotations } = config;
  return {
    id,
    podId: sandboxId,
    ...metadata,
    state: state.kind,
    image,
    createdAt: timestamp(createdAt),
    ...stateFields(state),
    runtimeHandler,
    cgroupPath,
    logPath,
    labels,
    annotations,
  };
}

function stateFields(state: Container['state']): Partial<ContainerView> {
  if (state.kind === 'running') {
    return { startedAt: timestamp(state.startedAt), pid: state.process.pid };
  }
  if (state.kind !== 'exited') return {};
  const { startedAt, finishedAt, exitCode, reason, message } = state;
  const started = startedAt === undefined ? {} : { startedAt: timestamp(startedAt) };
  return { ...started, finishedAt: timestamp(finishedAt), exitCode, reason, message };
}

/** RFC 3339. */
export function timestamp(nanos: UnixNanos): string {
  return new Date(nanos / 1e6).toISOString();
}
