import { basename, dirname, join } from 'node:path';
import { Fault } from '#errors/fault.ts';

/** Who makes cgroups: the OCI runtime by itself, or systemd, when the OCI runtime asks it to. */
export const cgroupDrivers = ['cgroupfs', 'systemd'] as const;
export type CgroupDriver = (typeof cgroupDrivers)[number];

/** Where the cgroups of a pod's containers are, and who makes them there. */
export type PodCgroup = {
  readonly driver: CgroupDriver;
  /** Begins at the root of the hierarchy, also for systemd. */
  readonly parent: string;
};

/** What decides over the cgroup of a pod. */
export type CgroupWish = {
  /** Of the pod's runtime handler. */
  readonly driver: CgroupDriver;
  /** Whether who gives the parent goes by systemd, too. A handler may have a driver of its own. */
  readonly giverUsesSystemd: boolean;
  /** As the caller gives it: a cgroup from the root on or, for systemd, also the name of a slice. */
  readonly parent: string;
};

// systemd.slice(5): the name tells the place. A dash parts the names of nested slices.
const sliceName = /^[^-/:]+(-[^-/:]+)*\.slice$/;

/** Throws `invalid-argument` for a parent that the driver cannot make a cgroup in. */
export function podCgroup({ driver, giverUsesSystemd, parent }: CgroupWish): PodCgroup {
  if (driver === 'systemd') return { driver, parent: slicePath(parent) };
  if (giverUsesSystemd || !parent.endsWith('.slice')) return { driver, parent };
  throw new Fault(
    'invalid-argument',
    `cgroup parent "${parent}" is a slice of systemd, but runtime.cgroup_driver is "cgroupfs": kubelet and Gantry have to use the same driver`,
  );
}

/** `/a.slice/a-b.slice` for it, and for `a-b.slice`. */
function slicePath(parent: string): string {
  const name = basename(parent);
  if (!sliceName.test(name)) {
    throw new Fault(
      'invalid-argument',
      `cgroup parent "${parent}" is no slice such as "/a.slice/a-b.slice", but the cgroup driver is "systemd": kubelet and Gantry have to use the same driver`,
    );
  }
  const labels = name.slice(0, -'.slice'.length).split('-');
  const nested = labels.map((_, index) => `${labels.slice(0, index + 1).join('-')}.slice`);
  const path = `/${nested.join('/')}`;
  if (parent === path || parent === name || parent === `/${name}`) return path;
  const sentence = `cgroup parent "${parent}": systemd has the slice "${name}" at "${path}"`;
  throw new Fault('invalid-argument', sentence);
}

/** The cgroup of a pod's container, or of its init, from the root of the hierarchy on. */
export function cgroupOf({ driver, parent }: PodCgroup, id: string): string {
  return join(parent, driver === 'systemd' ? `gantry-${id}.scope` : id);
}

/** A cgroup of `cgroupOf` in the words of the OCI runtime: for systemd `slice:prefix:name`. */
export function ociCgroupsPath(driver: CgroupDriver, path: string): string {
  if (driver === 'cgroupfs') return path;
  const name = basename(path, '.scope').slice('gantry-'.length);
  return `${basename(dirname(path))}:gantry:${name}`;
}

/**
 * Where the limits and the processes of a container's or an init's cgroup are: with systemd crun makes a
 * cgroup of its own in the scope, and nothing is in the scope itself (crun(1), run.oci.systemd.subgroup).
 */
export function leafCgroup(cgroups: { exists(path: string): boolean }, path: string): string {
  const leaf = join(path, 'container');
  return path.endsWith('.scope') && cgroups.exists(leaf) ? leaf : path;
}
