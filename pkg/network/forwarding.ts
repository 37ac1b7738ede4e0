import { Fault } from '#errors/fault.ts';
import type { HostSysctls, Setting } from './host-sysctls.ts';

const forwardIpv4 = { path: 'net/ipv4/ip_forward', value: '1' } as const;
const forwardIpv6 = { path: 'net/ipv6/conf/all/forwarding', value: '1' } as const;

/** The settings without which the host does not forward packets of these families. */
export function forwardingOf(families: readonly (4 | 6)[]): readonly Setting[] {
  return families.map((family) => (family === 4 ? forwardIpv4 : forwardIpv6));
}

/**
 * Has the host forward packets. A host that forwards IPv6 listens to no router itself, and would lose
 * its way out: the links that do so are told to go on (`accept_ra` of 2), first of all.
 */
export async function switchForwardingOn(
  sysctls: HostSysctls,
  families: readonly (4 | 6)[],
  links: readonly string[],
): Promise<void> {
  if (families.includes(6)) {
    const [present] = await sysctls.read([forwardIpv6.path]);
    if (present === undefined) {
      throw new Fault('failed-precondition', 'forward IPv6: this kernel runs without it');
    }
    if (present !== forwardIpv6.value) await keepRouters(sysctls, links);
  }
  await sysctls.set(forwardingOf(families));
}

async function keepRouters(sysctls: HostSysctls, links: readonly string[]): Promise<void> {
  const paths = ['default', ...links].map((link) => `net/ipv6/conf/${link}/accept_ra`);
  const present = await sysctls.read(paths);
  await sysctls.set(
    paths.filter((_, at) => present[at] === '1').map((path) => ({ path, value: '2' })),
  );
}
