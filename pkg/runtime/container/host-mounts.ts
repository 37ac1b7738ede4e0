import { readFileSync } from 'node:fs';
import { mkdir, realpath } from 'node:fs/promises';
import type { SpecMount } from '#api/oci/runtime.ts';
import { Fault, isErrno } from '#errors/fault.ts';
import { within } from '#runtime/wait.ts';
import type { SingleFlight } from '#store/single-flight.ts';
import type { ContainerMount } from './container.ts';

/** The paths on the node that are being looked for. A path that does not come back is waited for once. */
export type HostPaths = SingleFlight<string, string>;

/** A file system whose server has gone gives no answer at all; a caller waits two minutes. */
const answerTimeoutMs = 30_000;

/**
 * The caller's mounts as the OCI runtime takes them. Symbolic links on the node are followed; a source
 * that is missing becomes a directory, as containerd and CRI-O have it and users rely on.
 */
export async function hostMounts(
  lookups: HostPaths,
  mounts: readonly ContainerMount[],
  timeoutMs = answerTimeoutMs,
): Promise<SpecMount[]> {
  return Promise.all(
    mounts.map(async (mount) => {
      const source = await resolveSource(lookups, mount, timeoutMs);
      checkPropagation(mount, source);
      return { destination: mount.containerPath, type: 'bind', source, options: optionsOf(mount) };
    }),
  );
}

function optionsOf(mount: ContainerMount): string[] {
  const { readonly, recursiveReadOnly, propagation, mapping } = mount;
  const access = recursiveReadOnly ? ['ro', 'rro'] : [readonly ? 'ro' : 'rw'];
  const travel = {
    private: 'rprivate',
    'host-to-container': 'rslave',
    bidirectional: 'rshared',
  } as const;
  return ['rbind', travel[propagation], ...access, ...(mapping === undefined ? [] : ['idmap'])];
}

async function resolveSource(
  lookups: HostPaths,
  mount: ContainerMount,
  timeoutMs: number,
): Promise<string> {
  const { hostPath, containerPath } = mount;
  const act = `mounts: host path "${hostPath}" for "${containerPath}"`;
  const lookup = lookups.run(hostPath, () => findOrMake(hostPath));
  try {
    if (await within(lookup, timeoutMs)) return await lookup;
  } catch (cause) {
    throw new Fault('invalid-argument', act, { cause });
  }
  const sentence = `${act}: its file system gave no answer within ${timeoutMs} ms`;
  throw new Fault('deadline-exceeded', sentence);
}

async function findOrMake(hostPath: string): Promise<string> {
  try {
    return await realpath(hostPath);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  await mkdir(hostPath, { recursive: true, mode: 0o755 });
  return realpath(hostPath);
}

/** What the kernel will not let travel has to be refused: the pod would wait for mounts in vain. */
function checkPropagation({ hostPath, propagation }: ContainerMount, source: string): void {
  if (propagation === 'private') return;
  const tags = propagationOf(source);
  const isShared = tags.some((tag) => tag.startsWith('shared:'));
  const isSlave = tags.some((tag) => tag.startsWith('master:'));
  if (isShared || (propagation === 'host-to-container' && isSlave)) return;
  const wanted = propagation === 'bidirectional' ? 'shared' : 'shared or slave';
  throw new Fault(
    'failed-precondition',
    `mounts: host path "${hostPath}" is not on a ${wanted} mount`,
  );
}

/** The optional fields of the mount that holds `path` (proc_pid_mountinfo(5)). */
function propagationOf(path: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n');
  const mounts = lines.map((line) => line.split(' '));
  const holders = mounts.filter(
    ([, , , , point = '']) => path === point || path.startsWith(point === '/' ? '/' : `${point}/`),
  );
  // Of several mounts at one place the last one is on top.
  const [holder = []] = holders
    .toReversed()
    .toSorted((a, b) => (b[4]?.length ?? 0) - (a[4]?.length ?? 0));
  return holder.slice(6, holder.indexOf('-'));
}
