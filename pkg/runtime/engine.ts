import type { StatsReader } from 'cgroupfs-ts';
import { Fault } from '#errors/fault.ts';
import type { Log } from '#log/log.ts';
import type { Mount } from '#linux/mount.ts';
import type { SystemThread } from '#linux/system-thread.ts';
import type { Unmounter } from '#linux/unmounter.ts';
import type { KeyedLock } from '#store/keyed-lock.ts';
import type { SingleFlight } from '#store/single-flight.ts';
import type { CgroupDriver } from './cgroup-path.ts';
import type { BlockioClass, IoLimits } from './container/blockio.ts';
import type { AttachPump } from './container/attach-pump.ts';
import type { Container } from './container/container.ts';
import type { ExitWatch } from './container/exit.ts';
import type { OomLedger } from './container/oom-ledger.ts';
import type { EventLog } from './events/event-log.ts';
import type { HostPaths } from './container/host-mounts.ts';
import type { ContainerId, SandboxId } from './id.ts';
import type { Layout } from './layout.ts';
import type { OciRuntime } from './oci-runtime.ts';
import type { Registry } from './registry.ts';
import type { SeccompFilters } from './seccomp-filters.ts';
import type { NodeLimits } from './spec/spec.ts';
import type { Sandbox, SandboxConfig, SandboxNetwork } from './sandbox/sandbox.ts';
import type { StatsReaders } from './stats/stats-readers.ts';

/** What the runtime needs of an image to make a container of it. */
export type ImageForContainer = {
  readonly id: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  readonly config: {
    readonly user: string;
    readonly env: readonly string[];
    readonly entrypoint: readonly string[];
    readonly cmd: readonly string[];
    readonly workingDir: string;
    readonly stopSignal: string;
    /** Folders that have to be there, also where no layer has them. */
    readonly volumes: readonly string[];
  };
};

/** Implemented by pkg/image. */
export type Images = {
  find(reference: string): ImageForContainer | undefined;
  /** Of the snapshotter of that name; of the node's usual one without. */
  prepareRootfs(containerId: string, imageId: string, snapshotter?: string): Promise<Mount>;
  releaseRootfs(containerId: string): Promise<void>;
  rootfsOwners(): readonly string[];
};

/** A pod on its way into a network, with all that networks may go by. */
export type PodToConnect = Pick<SandboxConfig, 'annotations' | 'dns' | 'portMappings'> & {
  readonly id: string;
  /** Where its network namespace is pinned. */
  readonly netnsPath: string;
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  /** The cgroup that holds those of its containers. */
  readonly cgroupPath: string;
};

/** Implemented by pkg/network. Removal is idempotent and right also after a failed addition. */
export type PodNetwork = {
  addPod(pod: PodToConnect): Promise<SandboxNetwork>;
  removePod(id: string): Promise<void>;
  reconcile(owners: ReadonlySet<string>): Promise<void>;
};

/** The limits that OCI runtimes do not, or not always, set as asked. */
export type CgroupLimits = {
  readonly io?: IoLimits;
  readonly cpu?: { readonly quotaUs: 'max' };
  /** Bytes, by page size. */
  readonly hugetlb?: Readonly<Record<string, number>>;
};

/** Implemented by cgroupfs-ts. Paths begin at the root of the hierarchy. */
export type Cgroups = {
  /** `unified` is cgroup v2 alone. */
  readonly mounts: { readonly mode: 'unified' | 'legacy' | 'hybrid' };
  exists(path: string): boolean;
  /** Ends every process in the cgroup and below, whatever it waits for, or throws saying which stays. */
  kill(path: string): Promise<void>;
  processes(path: string): Promise<readonly number[]>;
  /** For repeated reading, from files that stay open until the reader is disposed of. */
  openStats(path: string): StatsReader;
  /** How many of the cgroup's processes the kernel has killed for want of memory. */
  oomKills(path: string): Promise<number>;
  /** Removes the cgroup and those below. Succeeds when there is none. */
  remove(path: string): Promise<void>;
  /** Removes the cgroup and those below as far as nobody uses them. */
  removeEmpty(path: string): Promise<void>;
  setLimits(path: string, limits: CgroupLimits): Promise<void>;
};

/** All that the verbs of the runtime work with. Made once, by openRuntime(). */
export type Engine = {
  readonly log: Log;
  readonly layout: Layout;
  readonly thread: SystemThread;
  readonly unmounter: Unmounter;
  readonly images: Images;
  readonly network: PodNetwork;
  readonly cgroups: Cgroups;
  /** Parent of the containers' cgroups in pods that name none. */
  readonly cgroupParent: string;
  /** Of the node, which kubelet adopts; a handler may have another. */
  readonly cgroupDriver: CgroupDriver;
  /** The program that watches a container: conmon. */
  readonly monitor: string;
  /** The init of pods that share a pid namespace: catatonit, statically linked. */
  readonly init: string;
  readonly limits: NodeLimits;
  /** By name, for containers that ask for one. */
  readonly blockioClasses: ReadonlyMap<string, BlockioClass>;
  /** Where vendors describe their devices, the ones that count more later. */
  readonly cdiSpecDirs: readonly string[];
  /** By name; the empty name is the default handler. */
  readonly handlers: ReadonlyMap<string, OciRuntime>;
  /** Takes a name for an exec's files that none had before. */
  readonly nextExecName: () => string;
  readonly sandboxes: Registry<Sandbox>;
  readonly containers: Registry<Container>;
  readonly events: EventLog;
  readonly stats: StatsReaders;
  /** One change at a time to each sandbox and each container. Never nested, but sandbox before container. */
  readonly locks: KeyedLock<string>;
  readonly runningSandboxes: SingleFlight<string, SandboxId>;
  readonly creatingContainers: SingleFlight<string, ContainerId>;
  readonly hostPaths: HostPaths;
  readonly exits: ExitWatch;
  readonly seccompFilters: SeccompFilters;
  readonly oomLedger: OomLedger;
  readonly attachPump: AttachPump;
};

/** The configured runtime handler of this name; the empty name means the default one. */
export function handlerOf(engine: Engine, name: string): OciRuntime {
  const handler = engine.handlers.get(name);
  if (handler !== undefined) return handler;
  const known = [...engine.handlers.keys()].filter((key) => key !== '').join(', ');
  throw new Fault(
    'invalid-argument',
    `no runtime handler "${name}" is configured (there are: ${known})`,
  );
}
