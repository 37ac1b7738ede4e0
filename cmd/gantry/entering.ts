import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerView, PodView } from '#admin/pod-json.ts';
import { ExitError } from './command.ts';
import type { Folders } from './places.ts';

/** The namespaces that can be entered, by their flags of nsenter(1), and their names under /proc/[pid]/ns. */
export const enterable = {
  net: 'net',
  ipc: 'ipc',
  uts: 'uts',
  pid: 'pid',
  mount: 'mnt',
  user: 'user',
  cgroup: 'cgroup',
} as const;

export type Enterable = keyof typeof enterable;

/** Arguments of nsenter(1) for namespaces of a running container. */
export function containerFlags(container: ContainerView, kinds: readonly Enterable[]): string[] {
  const { pid, name, state } = container;
  if (pid === undefined) throw new ExitError('failed', `container "${name}" is ${state}`);
  // The kernel lets nobody enter the user namespace that they are in.
  const others = kinds.filter((kind) => inode(pid, kind) !== inode(process.pid, kind));
  return others.map((kind) => `--${kind}=/proc/${pid}/ns/${enterable[kind]}`);
}

function inode(pid: number, kind: Enterable): number | undefined {
  return statSync(`/proc/${pid}/ns/${enterable[kind]}`, { throwIfNoEntry: false })?.ino;
}

/** The same for those that a pod keeps; what it has not for itself is left out. */
export function podFlags(
  { id }: PodView,
  { state }: Folders,
  kinds: readonly Enterable[],
): string[] {
  const folder = join(state, 'sandboxes', id);
  return kinds
    .map((kind) => [kind, join(folder, enterable[kind])] as const)
    .filter(([, path]) => existsSync(path))
    .map(([kind, path]) => `--${kind}=${path}`);
}
