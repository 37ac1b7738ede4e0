import type { LinuxSeccomp } from '#api/oci/runtime.ts';
import type { ContainerSecurity } from '#runtime/container/container.ts';
import { containerCapabilities } from './capabilities.ts';
import { defaultSeccomp, loadSeccompProfile } from './seccomp.ts';

/** The seccomp filter that a container asks for; undefined for none, as for a privileged one. */
export function seccompOf(
  security: ContainerSecurity,
  { boundingSet }: { readonly boundingSet: ReadonlySet<string> },
): LinuxSeccomp | undefined {
  const { privileged, seccomp } = security;
  if (privileged || seccomp.kind === 'unconfined') return undefined;
  if (seccomp.kind === 'localhost') return loadSeccompProfile(seccomp.ref);
  return defaultSeccomp(containerCapabilities(security, boundingSet), process.arch);
}
