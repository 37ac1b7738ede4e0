import type { SpecMount } from '#api/oci/runtime.ts';

/** Files and folders of the pod that every container sees, by their paths on the node. */
export type PodFiles = {
  readonly hostname: string;
  readonly hosts: string;
  readonly resolvConf: string;
  readonly shm: string;
};

const hardened = ['nosuid', 'noexec', 'nodev'];

/**
 * All mounts of a container, in the order of mounting: the usual ones, then the caller's, which win
 * over a usual one at the same place and hide those below it. Sorted by depth, otherwise as given.
 */
export function containerMounts(
  files: PodFiles,
  wishes: { readonly privileged: boolean; readonly mounts: readonly SpecMount[] },
): SpecMount[] {
  const usual = [...kernelMounts(wishes.privileged), ...podMounts(files)];
  const kept = usual.filter(
    ({ destination }) => !wishes.mounts.some((wish) => hides(wish.destination, destination)),
  );
  return [...kept, ...wishes.mounts].toSorted(
    (a, b) => depth(a.destination) - depth(b.destination),
  );
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

function podMounts(files: PodFiles): SpecMount[] {
  return [
    { ...podMount('/dev/shm', files.shm), options: ['rbind', 'rw', ...hardened] },
    podMount('/etc/hostname', files.hostname),
    podMount('/etc/hosts', files.hosts),
    podMount('/etc/resolv.conf', files.resolvConf),
  ];
}

function podMount(destination: string, source: string): SpecMount {
  return { destination, type: 'bind', source, options: ['rbind', 'rw'] };
}

function hides(upper: string, lower: string): boolean {
  return upper === lower || lower.startsWith(`${upper}/`);
}

function depth(path: string): number {
  return path.split('/').filter((part) => part !== '').length;
}
