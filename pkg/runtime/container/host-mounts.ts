import { readText } from '#linux/read-file.ts';
import { mkdir, realpath } from 'node:fs/promises';
import type { SpecMount } from '#api/oci/runtime.ts';
import { Fault, isErrno } from '#errors/fault.ts';
import { within } from '#runtime/wait.ts';
import type { SingleFlight } from '#store/single-flight.ts';
import type { ContainerMount } from './container.ts';

/** What is known of paths on the node. */
export type HostPaths = {
  /** Those that are being looked for. One that does not come back is waited for once. */
  readonly lookups: SingleFlight<string, string>;
  /** Those that must be there; others that are missing become directories. */
  readonly required: ReadonlySet<string>;
  /** The folder with the mounts of all pods, which come and go. */
  readonly state: string;
};

/** A file system whose server has gone gives no answer at all; a caller waits two minutes. */
const answerTimeoutMs = 30_000;

/**
 * The caller's mounts as the OCI runtime takes them. Symbolic links on the node are followed; a source
 * that is missing becomes a directory, as containerd and CRI-O have it and users rely on.
 */
export async function hostMounts(
  paths: HostPaths,
  mounts: readonly ContainerMount[],
  timeoutMs = answerTimeoutMs,
): Promise<SpecMount[]> {
  const sources = await Promise.all(mounts.map((mount) => resolveSource(paths, mount, timeoutMs)));
  const table = mountTable();
  return mounts.map((mount, index) => {
    const source = sources[index] ?? '';
    const holdsPods = source === '/' || paths.state.startsWith(`${source}/`);
    // Of most mounts nobody needs to know it.
    const tags = holdsPods || mount.propagation !== 'private' ? propagationOf(source, table()) : [];
    checkPropagation(mount, tags);
    const options = optionsOf(mount, holdsPods && isTravelling(tags));
    return { destination: mount.containerPath, type: 'bind', source, options };
  });
}

/**
 * A private copy of the mounts of all pods would keep these mounted for as long as the container runs,
 * and their networks with them: `mustLetGo` has it follow when they go.
 */
function optionsOf(mount: ContainerMount, mustLetGo: boolean): string[] {
  const { readonly, recursiveReadOnly, propagation, mapping } = mount;
  const access = recursiveReadOnly ? ['ro', 'rro'] : [readonly ? 'ro' : 'rw'];
  const travel = {
    private: mustLetGo ? 'rslave' : 'rprivate',
    'host-to-container': 'rslave',
    bidirectional: 'rshared',
  } as const;
  return ['rbind', travel[propagation], ...access, ...(mapping === undefined ? [] : ['idmap'])];
}

async function resolveSource(
  { lookups, required }: HostPaths,
  mount: ContainerMount,
  timeoutMs: number,
): Promise<string> {
  const { hostPath, containerPath } = mount;
  const act = `mounts: host path "${hostPath}" for "${containerPath}"`;
  const lookup = lookups.run(hostPath, () => findOrMake(hostPath, required.has(hostPath)));
  try {
    if (await within(lookup, timeoutMs)) return await lookup;
  } catch (cause) {
    throw new Fault('invalid-argument', act, { cause });
  }
  const sentence = `${act}: its file system gave no answer within ${timeoutMs} ms`;
  throw new Fault('deadline-exceeded', sentence);
}

async function findOrMake(hostPath: string, isRequired: boolean): Promise<string> {
  try {
    return await realpath(hostPath);
  } catch (error) {
    if (isRequired || !isErrno(error, 'ENOENT')) throw error;
  }
  await mkdir(hostPath, { recursive: true, mode: 0o755 });
  return realpath(hostPath);
}

/** What the kernel will not let travel has to be refused: the pod would wait for mounts in vain. */
function checkPropagation(
  { hostPath, propagation }: ContainerMount,
  tags: readonly string[],
): void {
  if (propagation === 'private') return;
  if (isShared(tags) || (propagation === 'host-to-container' && isTravelling(tags))) return;
  const wanted = propagation === 'bidirectional' ? 'shared' : 'shared or slave';
  throw new Fault(
    'failed-precondition',
    `mounts: host path "${hostPath}" is not on a ${wanted} mount`,
  );
}

function isShared(tags: readonly string[]): boolean {
  return tags.some((tag) => tag.startsWith('shared:'));
}

/** Whether mounts come to it from elsewhere. */
function isTravelling(tags: readonly string[]): boolean {
  return isShared(tags) || tags.some((tag) => tag.startsWith('master:'));
}

/** The fields of all mounts (proc_pid_mountinfo(5)), read when they are first asked for. */
function mountTable(): () => string[][] {
  let table: string[][] | undefined;
  return () => (table ??= readMounts());
}

function readMounts(): string[][] {
  const lines = readText('/proc/self/mountinfo').trim().split('\n');
  return lines.map((line) => line.split(' '));
}

/** The optional fields of the mount that holds `path`. */
function propagationOf(path: string, mounts: readonly (readonly string[])[]): readonly string[] {
  const holders = mounts.filter(
    ([, , , , point = '']) => path === point || path.startsWith(point === '/' ? '/' : `${point}/`),
  );
  // Of several mounts at one place the last one is on top.
  const [holder = []] = holders
    .toReversed()
    .toSorted((a, b) => (b[4]?.length ?? 0) - (a[4]?.length ?? 0));
  return holder.slice(6, holder.indexOf('-'));
}
