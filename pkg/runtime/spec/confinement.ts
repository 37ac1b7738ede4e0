import { Fault } from '#errors/fault.ts';
import type { ContainerSecurity, SelinuxLabel } from '#runtime/container/container.ts';

/** What the node's kernel can confine by. */
export type NodeConfinement = {
  readonly hasAppArmor: boolean;
  readonly loadedProfiles: () => ReadonlySet<string>;
  readonly hasSelinux: boolean;
};

/** The profile that a container gets which asks for the runtime's own. */
export const defaultAppArmorProfile = 'gantry-default';

type Confinement = { readonly apparmorProfile?: string; readonly selinuxLabel?: string };

/**
 * The AppArmor profile and the SELinux label of a container's process. A profile that is asked for and
 * cannot be had is an error, for the container would run without; labels mean nothing without SELinux.
 */
export function confinementOf(
  { apparmor, selinux, privileged }: ContainerSecurity,
  node: NodeConfinement,
): Confinement {
  const profile = profileName(apparmor, privileged);
  if (profile !== undefined) checkProfile(profile, node);
  return {
    ...(profile === undefined ? {} : { apparmorProfile: profile }),
    ...(selinux === undefined || !node.hasSelinux ? {} : { selinuxLabel: labelText(selinux) }),
  };
}

/** A privileged container goes without the default profile, not without one that it names. */
function profileName(
  profile: ContainerSecurity['apparmor'],
  privileged: boolean,
): string | undefined {
  if (profile?.kind === 'localhost') return profile.ref;
  return profile?.kind === 'runtime-default' && !privileged ? defaultAppArmorProfile : undefined;
}

function checkProfile(profile: string, { hasAppArmor, loadedProfiles }: NodeConfinement): void {
  const field = 'linux.security_context.apparmor';
  if (!hasAppArmor) {
    throw new Fault(
      'failed-precondition',
      `${field}: profile "${profile}" is asked for, and the node has no AppArmor`,
    );
  }
  if (loadedProfiles().has(profile)) return;
  throw new Fault(
    'failed-precondition',
    `${field}: profile "${profile}" is not loaded on the node (apparmor_parser loads it)`,
  );
}

/** What is not given is what containers usually have. */
function labelText({ user, role, type, level }: SelinuxLabel): string {
  return [user || 'system_u', role || 'system_r', type || 'container_t', level || 's0'].join(':');
}
