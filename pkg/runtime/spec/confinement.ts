import { Fault } from '#errors/fault.ts';
import type { ContainerSecurity, SelinuxLabel } from '#runtime/container/container.ts';
import { defaultAppArmorProfile } from './apparmor-default.ts';

/** What the node's kernel can confine by. */
export type NodeConfinement = {
  readonly hasAppArmor: boolean;
  readonly loadedProfiles: () => ReadonlySet<string>;
  /** Loads the profile `gantry-default`; fails where nothing can, such as without apparmor_parser. */
  readonly loadDefaultProfile: () => Promise<void>;
  readonly hasSelinux: boolean;
};

type Confinement = { readonly apparmorProfile?: string; readonly selinuxLabel?: string };

/**
 * The AppArmor profile and the SELinux label of a container's process. A profile that is asked for and
 * cannot be had is an error, for the container would run without; labels mean nothing without SELinux.
 */
export async function confinementOf(
  security: ContainerSecurity,
  node: NodeConfinement,
): Promise<Confinement> {
  const { selinux } = security;
  const profile = await appArmorProfile(security, node);
  return {
    ...(profile === undefined ? {} : { apparmorProfile: profile }),
    ...(selinux === undefined || !node.hasSelinux ? {} : { selinuxLabel: labelText(selinux) }),
  };
}

/** A privileged container goes without the default profile, not without one that it names. */
async function appArmorProfile(
  { apparmor, privileged }: Pick<ContainerSecurity, 'apparmor' | 'privileged'>,
  node: NodeConfinement,
): Promise<string | undefined> {
  if (apparmor?.kind === 'localhost') return required(apparmor.ref, node);
  if (privileged || apparmor?.kind === 'unconfined') return undefined;
  const isThere = await ensureDefaultProfile(node);
  if (apparmor === undefined) return isThere ? defaultAppArmorProfile : undefined;
  return required(defaultAppArmorProfile, node);
}

/** It was loaded when the daemon started; aa-remove-unknown(8) may have taken it away since. */
async function ensureDefaultProfile(node: NodeConfinement): Promise<boolean> {
  const isLoaded = () => node.loadedProfiles().has(defaultAppArmorProfile);
  if (!node.hasAppArmor) return false;
  // Why it cannot be loaded was logged at the start.
  if (!isLoaded()) await node.loadDefaultProfile().catch(() => {});
  return isLoaded();
}

function required(profile: string, { hasAppArmor, loadedProfiles }: NodeConfinement): string {
  const field = 'linux.security_context.apparmor';
  if (!hasAppArmor) {
    throw new Fault(
      'failed-precondition',
      `${field}: profile "${profile}" is asked for, and the node has no AppArmor`,
    );
  }
  if (loadedProfiles().has(profile)) return profile;
  throw new Fault(
    'failed-precondition',
    `${field}: profile "${profile}" is not loaded on the node (apparmor_parser loads it)`,
  );
}

/** What is not given is what containers usually have. */
function labelText({ user, role, type, level }: SelinuxLabel): string {
  return [user || 'system_u', role || 'system_r', type || 'container_t', level || 's0'].join(':');
}
