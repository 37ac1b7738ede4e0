import type { SpecMount } from '#api/oci/runtime.ts';

/** Files and folders that every container of a pod sees, by their paths on the node. */
export type PodFiles = {
  readonly hostname: string;
  readonly hosts: string;
  readonly resolvConf: string;
  readonly shm: string;
};

const hardened = ['nosuid', 'noexec', 'nodev'];

/**
 * All mounts of a container, in the order of mounting: the usual ones, then the caller's, which win
 * over a usual one at the same place and hide those of the kernel below it; the files of the pod are also
 * in an /etc that the caller brings. Sorted by depth, otherwise as given.
 */
export function containerMounts(
  files: PodFiles,
  wishes: {
    readonly privileged: boolean;
    readonly readonlyRootfs: boolean;
    readonly mounts: readonly SpecMount[];
  },
): SpecMount[] {
  const places = new Set(wishes.mounts.map(({ destination }) => destination));
  const isHidden = ({ destination }: SpecMount): boolean =>
    wishes.mounts.some((wish) => hides(wish.destination, destination));
  return sortMounts([
    ...[...kernelMounts(wishes.privileged), sharedMemory(files)].filter((it) => !isHidden(it)),
    ...podMounts(files, wishes).filter(({ destination }) => !places.has(destination)),
    ...wishes.mounts,
  ]);
}

/** So that none is mounted over by one above it; otherwise as given. */
export function sortMounts(mounts: readonly SpecMount[]): SpecMount[] {
  return mounts.toSorted((a, b) => depth(a.destination) - depth(b.destination));
}

/** /proc, /sys and /dev as config-linux.md#default-filesystems asks; privileged containers may write. */
function kernelMounts(privileged: boolean): SpecMount[] {
  const access = privileged ? 'rw' : 'ro';
  const ptsOptions = ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'];
  return [
    kernelMount('/proc', 'proc', hardened),
    kernelMount('/dev', 'tmpfs', ['nosuid', 'strictatime', 'mode=755', 'size=65536k']),
    kernelMount('/dev/pts', 'devpts', ptsOptions),
    kernelMount('/dev/mqueue', 'mqueue', hardened),
    kernelMount('/sys', 'sysfs', [...hardened, access]),
    kernelMount('/sys/fs/cgroup', 'cgroup', [...hardened, 'relatime', access]),
  ];
}

function kernelMount(destination: string, type: string, options: readonly string[]): SpecMount {
  return { destination, type, source: type, options };
}

function sharedMemory({ shm }: PodFiles): SpecMount {
  const options = ['rbind', 'rw', ...hardened];
  return { destination: '/dev/shm', type: 'bind', source: shm, options };
}

/** Like the rest of a root file system that is read-only; the other containers of the pod see them, too. */
function podMounts(
  files: PodFiles,
  { readonlyRootfs }: { readonly readonlyRootfs: boolean },
): SpecMount[] {
  const options = ['rbind', readonlyRootfs ? 'ro' : 'rw'];
  return [
    { destination: '/etc/hostname', type: 'bind', source: files.hostname, options },
    { destination: '/etc/hosts', type: 'bind', source: files.hosts, options },
    { destination: '/etc/resolv.conf', type: 'bind', source: files.resolvConf, options },
  ];
}

function hides(upper: string, lower: string): boolean {
  return upper === lower || lower.startsWith(`${upper}/`);
}

function depth(path: string): number {
  return path.split('/').filter((part) => part !== '').length;
}
