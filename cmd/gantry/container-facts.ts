import { readText } from '#linux/read-file.ts';
import { statSync } from 'node:fs';
import { type CgroupLimits, type CgroupStats, openCgroupfs } from 'cgroupfs-ts';
import type { ContainerView, PodView } from '#admin/pod-json.ts';
import type { NamespaceType, Spec, SpecMount } from '#api/oci/runtime.ts';
import { leafCgroup } from '#runtime/cgroup-path.ts';
import { createLayout } from '#runtime/layout.ts';
import type { Folders } from './places.ts';
import { processWait } from './process-wait.ts';
import type { Found } from './resolve.ts';

/** All that can be known of a container from the node's side, whether the daemon is up or not. */
export type ContainerFacts = {
  readonly container: ContainerView;
  readonly pod: Omit<PodView, 'containers'>;
  /** Absent when its bundle is gone, as after a reboot. */
  readonly process?: Spec['process'];
  readonly namespaces: readonly NamespaceFact[];
  readonly cgroup: {
    readonly path: string;
    /** Absent when there is no such cgroup. */
    readonly use?: CgroupStats;
    readonly limits?: CgroupLimits;
  };
  readonly mounts: readonly SpecMount[];
  /** Absent when it is not mounted. */
  readonly rootfs?: RootfsFact;
  readonly monitor?: ProcessFact;
  readonly processes: readonly ProcessFact[];
};

export type NamespaceFact = {
  readonly type: NamespaceType;
  readonly inode: number;
  /** Whose it is: the node's, shared by the pod, or the container's own. */
  readonly of: 'node' | 'pod' | 'container';
};

export type RootfsFact = {
  readonly path: string;
  readonly filesystem: string;
  /** Where the container's own writes are, with overlayfs. */
  readonly upper?: string;
  readonly lowers: readonly string[];
};

export type ProcessFact = {
  readonly pid: number;
  readonly state: string;
  readonly command: string;
};

/** Gathers the facts of one container. */
export async function containerFacts(
  { pod, container }: Found,
  { state }: Folders,
): Promise<ContainerFacts> {
  const layout = createLayout(state);
  // The ids of records are ids.
  const [sandbox, paths] = [layout.sandbox(idOf(pod.id)), layout.container(idOf(container.id))];
  const spec = readSpec(paths.config);
  const { containers: _all, ...rest } = pod;
  const rootfs = rootfsAt(paths.rootfs);
  const monitor = processFact(Number(readIfThere(paths.monitorPidFile) ?? 0));
  return {
    container,
    pod: rest,
    ...(spec && { process: spec.process }),
    namespaces: namespacesOf(container, spec, sandbox.folder),
    cgroup: await cgroupFacts(container.cgroupPath),
    mounts: spec?.mounts ?? [],
    ...(rootfs && { rootfs }),
    ...(monitor && { monitor }),
    processes: await processesIn(container.cgroupPath),
  };
}

/** For functions that want an id as a record has it. */
function idOf<Id extends string>(id: string): Id {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- from the daemon, or its records
  return id as Id;
}

/** What the OCI runtime was told; undefined when that is gone. */
function readSpec(path: string): Spec | undefined {
  const text = readIfThere(path);
  return text === undefined ? undefined : JSON.parse(text);
}

const procNames = {
  network: 'net',
  mount: 'mnt',
  ipc: 'ipc',
  uts: 'uts',
  pid: 'pid',
  user: 'user',
  cgroup: 'cgroup',
} as const satisfies Record<NamespaceType, string>;

/** Of a process, where one runs; else those that the pod keeps, or the node's. */
function namespacesOf(
  { pid }: ContainerView,
  spec: Spec | undefined,
  podFolder: string,
): NamespaceFact[] {
  const wanted = new Set(spec?.linux.namespaces.map(({ type }) => type) ?? []);
  return Object.entries(procNames).flatMap(([key, name]) => {
    const type = namespaceType(key);
    const node = inodeOf(`/proc/self/ns/${name}`);
    const kept = inodeOf(`${podFolder}/${name}`);
    const running = pid === undefined ? undefined : inodeOf(`/proc/${pid}/ns/${name}`);
    // What a container that does not run would have for itself is not there.
    const inode = running ?? kept ?? (wanted.has(type) ? undefined : node);
    if (inode === undefined) return [];
    const of = inode === node ? 'node' : inode === kept ? 'pod' : 'container';
    return [{ type, inode, of } as const];
  });
}

function namespaceType(key: string): NamespaceType {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a key of procNames
  return key as NamespaceType;
}

function inodeOf(path: string): number | undefined {
  try {
    return statSync(path).ino;
  } catch {
    return undefined;
  }
}

async function cgroupFacts(path: string): Promise<ContainerFacts['cgroup']> {
  const cgroups = openCgroupfs();
  if (!cgroups.exists(path)) return { path };
  const use = await cgroups.readStats(path);
  const limits = await cgroups.readLimits(leafCgroup(cgroups, path));
  return { path, limits, ...(use && { use }) };
}

async function processesIn(cgroupPath: string): Promise<ProcessFact[]> {
  const cgroups = openCgroupfs();
  if (!cgroups.exists(cgroupPath)) return [];
  const pids = await cgroups.processes(cgroupPath);
  return pids.map(processFact).filter((it) => it !== undefined);
}

function processFact(pid: number): ProcessFact | undefined {
  const wait = pid > 0 ? processWait(pid) : undefined;
  return wait && { pid, state: wait.state, command: wait.command };
}

/** What is mounted at `path`: proc_pid_mountinfo(5). */
export function rootfsAt(path: string): RootfsFact | undefined {
  const lines = readText('/proc/self/mountinfo').split('\n');
  const line = lines.findLast((each) => unescaped(each.split(' ')[4] ?? '') === path);
  if (line === undefined) return undefined;
  const [filesystem = '', , options = ''] = line.slice(line.indexOf(' - ') + 3).split(' ');
  const option = (name: string) =>
    options
      .split(',')
      .find((each) => each.startsWith(`${name}=`))
      ?.slice(name.length + 1);
  const upper = option('upperdir');
  const lowers = option('lowerdir')?.split(':') ?? [];
  return {
    path,
    filesystem,
    ...(upper === undefined ? {} : { upper: unescaped(upper) }),
    lowers: lowers.map(unescaped),
  };
}

/** mountinfo writes blanks and backslashes as `\040` and `\134`. */
function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

function readIfThere(path: string): string | undefined {
  try {
    return readText(path);
  } catch {
    return undefined;
  }
}
