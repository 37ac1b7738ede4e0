import type { Linux, Process, Spec, SpecMount } from '#api/oci/runtime.ts';
import type { Container, ContainerUser } from '#runtime/container/container.ts';
import type { ImageForContainer } from '#runtime/engine.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
import type { CgroupAbilities } from '#runtime/cgroup-abilities.ts';
import { ociCgroupsPath } from '#runtime/cgroup-path.ts';
import { containerCapabilities } from './capabilities.ts';
import type { confinementOf, NodeConfinement } from './confinement.ts';
import { containerDevices } from './devices.ts';
import { containerMounts, type PodFiles } from './mounts.ts';
import { processOf } from './process.ts';
import { resourcesOf, withoutEndlessQuota } from './resources.ts';

/** What the kernel of this node lets us hand on. */
export type NodeLimits = {
  readonly boundingSet: ReadonlySet<string>;
  /** The lowest oom_score_adj that we may set. */
  readonly minOomScoreAdj: number;
  readonly cgroups: CgroupAbilities;
  /** What every container gets. */
  readonly rlimits: Process['rlimits'];
  readonly confinement: NodeConfinement;
};

export type SpecInput = {
  readonly sandbox: Sandbox;
  readonly container: Container;
  readonly image: ImageForContainer['config'];
  readonly user: ContainerUser;
  readonly rootfs: string;
  readonly hostname: string;
  readonly files: PodFiles;
  /** The caller's mounts, their sources found on the node. */
  readonly mounts: readonly SpecMount[];
  readonly namespaces: Linux['namespaces'];
  readonly seccomp: Linux['seccomp'];
  readonly confinement: Awaited<ReturnType<typeof confinementOf>>;
  readonly rdt: Pick<Linux, 'intelRdt'>;
  readonly limits: NodeLimits;
};

/** The OCI bundle's config.json. crun 1.8 refuses an ociVersion above 1.0.2. */
export function buildSpec(input: SpecInput): Spec {
  const { config } = input.container;
  const { security } = config;
  const { privileged, readonlyRootfs } = security;
  const devices = containerDevices({ privileged, devices: config.devices });
  const wishes = { privileged, readonlyRootfs, mounts: input.mounts };
  const mounts = containerMounts(input.files, wishes);
  return {
    ociVersion: '1.0.2',
    process: buildProcess(input),
    root: { path: input.rootfs, readonly: readonlyRootfs },
    mounts,
    annotations: annotationsOf(input),
    linux: {
      namespaces: input.namespaces,
      ...idMappings(input.sandbox),
      cgroupsPath: ociCgroupsPath(input.sandbox.cgroup.driver, input.container.cgroupPath),
      resources: resourcesOf(
        withoutEndlessQuota(config.resources),
        devices.rules,
        input.limits.cgroups,
      ),
      devices: devices.nodes,
      maskedPaths: privileged ? [] : security.maskedPaths,
      readonlyPaths: privileged ? [] : security.readonlyPaths,
      ...rootfsPropagation(mounts),
      ...input.rdt,
      ...(input.seccomp === undefined || privileged ? {} : { seccomp: input.seccomp }),
    },
  };
}

function buildProcess(input: SpecInput): Process {
  const { container, image, hostname, user, confinement, limits } = input;
  const { security, resources } = container.config;
  const capabilities = containerCapabilities(security, limits.boundingSet);
  // None is inheritable (CVE-2022-24769) or ambient: who is not root gets them by programs alone.
  const { oomScoreAdj = 0 } = resources;
  return {
    ...processOf(container.config, image, { hostname, user }),
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    noNewPrivileges: security.noNewPrivileges,
    rlimits: limits.rlimits,
    ...confinement,
    // Always: else it would be the daemon's, which should be the last to go.
    oomScoreAdj: Math.max(oomScoreAdj, limits.minOomScoreAdj),
  };
}

/** The runtime gives what it makes itself, such as /dev/pts, to the root of the user namespace. */
function idMappings({ config }: Sandbox): Pick<Linux, 'uidMappings' | 'gidMappings'> {
  if (config.userNamespace === undefined) return {};
  const { hostId, length } = config.userNamespace;
  const mappings = [{ containerID: 0, hostID: hostId, size: length }];
  return { uidMappings: mappings, gidMappings: mappings };
}

/** A mount that travels needs a root that lets it: slave to the node's, or shared with it. */
function rootfsPropagation(mounts: readonly SpecMount[]): Pick<Linux, 'rootfsPropagation'> {
  const options = new Set(mounts.flatMap((mount) => mount.options));
  if (options.has('rshared')) return { rootfsPropagation: 'rshared' };
  return options.has('rslave') ? { rootfsPropagation: 'rslave' } : {};
}

/** Kata, gVisor and Falco read these, by the names that containerd gave them. */
function annotationsOf({ sandbox, container }: SpecInput): Record<string, string> {
  const { metadata } = sandbox.config;
  const prefix = 'io.kubernetes.cri';
  return {
    [`${prefix}.container-type`]: 'container',
    [`${prefix}.container-name`]: container.config.metadata.name,
    [`${prefix}.image-name`]: container.config.image,
    [`${prefix}.sandbox-id`]: sandbox.id,
    [`${prefix}.sandbox-name`]: metadata.name,
    [`${prefix}.sandbox-namespace`]: metadata.namespace,
    [`${prefix}.sandbox-uid`]: metadata.uid,
  };
}
