import { mkdirSync, readFileSync, realpathSync } from 'node:fs';
import type { SpecMount } from '#api/oci/runtime.ts';
import { Fault, isErrno } from '#errors/fault.ts';
import type { ContainerMount } from './container.ts';

/**
 * The caller's mounts as the OCI runtime takes them. Symbolic links on the node are followed; a source
 * that is missing becomes a directory, as containerd and CRI-O have it and users rely on.
 */
export function hostMounts(mounts: readonly ContainerMount[]): SpecMount[] {
  return mounts.map((mount) => {
    const source = resolveSource(mount);
    checkPropagation(mount, source);
    return { destination: mount.containerPath, type: 'bind', source, options: optionsOf(mount) };
  });
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

function resolveSource({ hostPath, containerPath }: ContainerMount): string {
  try {
    return realpathSync(hostPath);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw unusable(hostPath, containerPath, error);
  }
  try {
    mkdirSync(hostPath, { recursive: true, mode: 0o755 });
    return realpathSync(hostPath);
  } catch (error) {
    throw unusable(hostPath, containerPath, error);
  }
}

function unusable(hostPath: string, containerPath: string, cause: unknown): Fault {
  return new Fault('invalid-argument', `mounts: host path "${hostPath}" for "${containerPath}"`, {
    cause,
  });
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
