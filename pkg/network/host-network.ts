import { Fault } from '#errors/fault.ts';
import type { Link } from '#linux/netlink/link.ts';
import type { Route } from '#linux/netlink/route.ts';
import { overlap, type Subnet, subnetAround } from './subnet.ts';

/** The part of the host's network that a bridge network must fit into. */
export type HostNetwork = { readonly links: readonly Link[]; readonly routes: readonly Route[] };

const ethernetMtu = 1500;

/**
 * Refuses a subnet of which the host reaches a part, or all, elsewhere than over `bridge`. A wider
 * route, as that of a VPN to 10.0.0.0/8, does no harm: the narrower one of the bridge is preferred.
 */
export function refuseOverlap(host: HostNetwork, bridge: string, subnet: Subnet): void {
  const own = host.links.find((link) => link.name === bridge)?.index;
  for (const route of host.routes) {
    if (route.linkIndex === own && own !== undefined) continue;
    const other = subnetAround(route.destination, route.prefixLength);
    if (other.prefixLength < subnet.prefixLength || !overlap(other, subnet)) continue;
    const link = host.links.find(({ index }) => index === route.linkIndex)?.name ?? 'no device';
    throw new Fault(
      'failed-precondition',
      `use subnet ${subnet.cidr}: the host has a route to ${other.cidr} over ${link}`,
    );
  }
}

/** The MTU of the link by which the host reaches the world, so that pods' packets fit through it. */
export function outwardMtu({ links, routes }: HostNetwork): number {
  const [best] = routes
    .filter((route) => route.prefixLength === 0 && route.linkIndex !== undefined)
    .toSorted((one, other) => one.metric - other.metric);
  return links.find((link) => link.index === best?.linkIndex)?.mtu ?? ethernetMtu;
}
