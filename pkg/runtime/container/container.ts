import type { IdMapping } from '#linux/user-namespace.ts';
import type { ProcessId } from '#linux/process.ts';
import type { UnixNanos } from '#runtime/clock.ts';
import type { ContainerId, SandboxId } from '#runtime/id.ts';
import type { NamespaceModes } from '#runtime/sandbox/sandbox.ts';

/** A bind mount that the caller asks for. */
export type ContainerMount = {
  readonly containerPath: string;
  readonly hostPath: string;
  readonly readonly: boolean;
  readonly recursiveReadOnly: boolean;
  readonly propagation: 'private' | 'host-to-container' | 'bidirectional';
  /** Absent: owners are as the node has them. Else mapped as the pod's user namespace maps ids. */
  readonly mapping?: IdMapping;
};

/** An image whose files the caller wants to see at a place of their own, read-only. */
export type ImageVolume = {
  readonly containerPath: string;
  /** As the caller names it: a reference or an image id. */
  readonly image: string;
  /** A directory of the image; empty for all of it. */
  readonly subPath: string;
  readonly recursiveReadOnly: boolean;
};

export type ContainerDevice = {
  readonly containerPath: string;
  readonly hostPath: string;
  /** Some of `rwm`. */
  readonly permissions: string;
};

/** Limits; a missing one leaves the kernel's or the parent's. Bytes, microseconds, shares. */
export type ContainerResources = {
  readonly cpuPeriod?: number;
  readonly cpuQuota?: number;
  readonly cpuShares?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly memoryLimitBytes?: number;
  readonly memorySwapLimitBytes?: number;
  readonly oomScoreAdj?: number;
  readonly hugepageLimits: readonly { readonly pageSize: string; readonly limitBytes: number }[];
  readonly unified: Readonly<Record<string, string>>;
};

/** A seccomp or AppArmor profile: the runtime's own, none, or one by name. */
export type SecurityProfile =
  | { readonly kind: 'runtime-default' }
  | { readonly kind: 'unconfined' }
  | { readonly kind: 'localhost'; readonly ref: string };

/** The parts of an SELinux label; an empty one is the usual. */
export type SelinuxLabel = {
  readonly user: string;
  readonly role: string;
  readonly type: string;
  readonly level: string;
};

export type ContainerSecurity = {
  readonly privileged: boolean;
  readonly namespaces: NamespaceModes;
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  /** Empty: none. */
  readonly runAsUsername: string;
  readonly supplementalGroups: readonly number[];
  readonly supplementalGroupsPolicy: 'merge' | 'strict';
  readonly readonlyRootfs: boolean;
  readonly noNewPrivileges: boolean;
  readonly addCapabilities: readonly string[];
  readonly dropCapabilities: readonly string[];
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly seccomp: SecurityProfile;
  /** Absent: whatever the node does with containers that say nothing. */
  readonly apparmor?: SecurityProfile;
  readonly selinux?: SelinuxLabel;
};

/** What a caller asks for. Plain data, checked at the edge; the record keeps it as it came. */
export type ContainerConfig = {
  readonly metadata: { readonly name: string; readonly attempt: number };
  /** As the caller names it: a reference or an image id. */
  readonly image: string;
  /** The reference that the pod's author wrote, when the caller passes it on. */
  readonly userSpecifiedImage: string;
  /** Replaces the image's entrypoint; empty for the image's own. */
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly workingDir: string;
  readonly envs: readonly { readonly key: string; readonly value: string }[];
  readonly mounts: readonly ContainerMount[];
  readonly imageVolumes: readonly ImageVolume[];
  readonly devices: readonly ContainerDevice[];
  /** CDI devices by their full names, such as `vendor.com/gpu=0`. */
  readonly cdiDevices: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Relative to the sandbox's log directory; empty for no log. */
  readonly logPath: string;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly tty: boolean;
  /** Signal name; empty for the image's, else SIGTERM. */
  readonly stopSignal: string;
  readonly resources: ContainerResources;
  readonly security: ContainerSecurity;
};

//  creating ──▶ created ──start──▶ starting ──▶ running ──▶ exited
//                                     └──── failed ──────────▲
//
// What is only true in one state lives in that state. `creating` is not listed.
export type ContainerState =
  | { readonly kind: 'creating' }
  | { readonly kind: 'created' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'running'; readonly process: ProcessId; readonly startedAt: UnixNanos }
  | ExitedState;

export type ExitedState = {
  readonly kind: 'exited';
  /** Absent when the process never ran. */
  readonly startedAt?: UnixNanos;
  readonly finishedAt: UnixNanos;
  /** As a shell gives it: 128 + n for a process that signal n ended. */
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
};

/** The user that the process runs as, as resolved in the image. */
export type ContainerUser = {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
};

/** The image as it was when the container was made; the image itself may be removed later. */
export type ContainerImage = {
  readonly id: string;
  /** Its first tag or, where it has none, what the caller named: what users are shown. */
  readonly name: string;
  /** First repository digest, or the id: what ContainerStatus calls image_ref. */
  readonly ref: string;
};

/** All that is known of a container. The record is written before what it describes is made. */
export type Container = {
  readonly id: ContainerId;
  readonly sandboxId: SandboxId;
  readonly config: ContainerConfig;
  readonly state: ContainerState;
  readonly createdAt: UnixNanos;
  readonly image: ContainerImage;
  readonly runtimeHandler: string;
  readonly cgroupPath: string;
  /** Absolute, or empty for no log. */
  readonly logPath: string;
  readonly stopSignal: string;
  /** Whether it has got that signal. */
  readonly stopSignalled?: true;
  /** What is in force: as asked for at first, then as updated. */
  readonly resources: ContainerResources;
  /** Whether something is to be run once it has started, which is the OCI runtime's to do. */
  readonly hasStartHooks?: true;
  /** The images of its image volumes by digest, in their order; absent until they are mounted. */
  readonly imageRefs?: readonly string[];
  /** Absent until it is resolved in the root file system. */
  readonly user?: ContainerUser;
};

/** What makes two requests mean the same container: kubelet's idempotence key. */
export function containerKey(sandboxId: SandboxId, { metadata }: ContainerConfig): string {
  return `${metadata.name}_${metadata.attempt}_${sandboxId}`;
}
