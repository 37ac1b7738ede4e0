import type { ProcessId } from '#linux/process.ts';
import type { IdMapping } from '#linux/user-namespace.ts';
import type { PodCgroup } from '#runtime/cgroup-path.ts';
import type { UnixNanos } from '#runtime/clock.ts';
import type { SandboxId } from '#runtime/id.ts';

export type { IdMapping } from '#linux/user-namespace.ts';

/** Which kernel namespaces a pod's containers share: the pod's own, the node's, or none. */
export type NamespaceModes = {
  readonly network: 'pod' | 'node';
  readonly ipc: 'pod' | 'node';
  readonly pid: 'pod' | 'container' | 'node' | { readonly target: string };
};

export type PortMapping = {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly containerPort: number;
  readonly hostPort: number;
  readonly hostIp: string;
};

/** What a caller asks for. Plain data, checked at the edge; the record keeps it as it came. */
export type SandboxConfig = {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly attempt: number;
  };
  /** Empty: the node's name for hostNetwork pods, else the start of the sandbox id. */
  readonly hostname: string;
  /** Absolute, or empty when the containers' logs go nowhere. */
  readonly logDirectory: string;
  /** Absent: the node's own resolv.conf. */
  readonly dns?: {
    readonly servers: readonly string[];
    readonly searches: readonly string[];
    readonly options: readonly string[];
  };
  readonly portMappings: readonly PortMapping[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** A cgroup from the root on or the name of a slice of systemd; empty for the configured one. */
  readonly cgroupParent: string;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly namespaces: NamespaceModes;
  readonly privileged: boolean;
  /** Absent: users are the node's. */
  readonly userNamespace?: IdMapping;
  /** Name of a configured runtime handler; empty for the default one. */
  readonly runtimeHandler: string;
};

//  creating ──▶ ready ──stop──▶ stopped ──remove──▶ (gone)
//     └── failed, or the daemon or init died ─▲
//
// A sandbox that is `creating` has no containers and is not listed. `stopping` is in memory only:
// a stop that was cut short is begun again by whoever asked for it.
export type SandboxState = 'creating' | 'ready' | 'stopped';

/** The pod's place in the network, absent for hostNetwork. Addresses without prefix length. */
export type SandboxNetwork = {
  /** The one that others know it by. */
  readonly address: string;
  readonly additionalAddresses?: readonly string[];
};

/** All that is known of a sandbox. The record is written before what it describes is made. */
export type Sandbox = {
  readonly id: SandboxId;
  readonly config: SandboxConfig;
  readonly state: SandboxState;
  readonly createdAt: UnixNanos;
  readonly network?: SandboxNetwork;
  /** The first process of its pid namespace, in pods that share one; it ends with it. */
  readonly init?: ProcessId;
  /** As the configuration was when the pod was made. */
  readonly cgroup: PodCgroup;
  /** The topmost cgroup that came with this pod and those beside it; the last one removes it. */
  readonly ownedCgroup?: string;
};

/** What makes two requests mean the same pod: kubelet's idempotence key. */
export function sandboxKey({ metadata }: SandboxConfig): string {
  return `${metadata.name}_${metadata.namespace}_${metadata.uid}_${metadata.attempt}`;
}
