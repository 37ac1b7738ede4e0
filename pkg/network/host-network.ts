import { Fault } from '#errors/fault.ts';
import type { Address } from '#linux/netlink/address.ts';
import { familyOf } from '#linux/netlink/ip.ts';
import type { Link } from '#linux/netlink/link.ts';
import type { Route } from '#linux/netlink/route.ts';
import { overlap, type Subnet, subnetAround } from './subnet.ts';

/** The part of the host's network that a bridge network must fit into. */
export type HostNetwork = {
  readonly links: readonly Link[];
  readonly addresses: readonly Address[];
  readonly routes: readonly Route[];
};

const ethernetMtu = 1500;

/**
 * Refuses a subnet of which the host reaches a part, or all, elsewhere than over `bridge`, or has an
 * address elsewhere. A wider route, as that of a VPN to 10.0.0.0/8, does no harm: the narrower one of
 * the bridge is preferred.
 */
export function refuseOverlap(host: HostNetwork, bridge: string, subnet: Subnet): void {
  const own = host.links.find((link) => link.name === bridge)?.index;
  const nameOf = (index: number | undefined): string =>
    host.links.find((link) => link.index === index)?.name ?? 'no device';
  const refuse = (what: string): never => {
    throw new Fault('failed-precondition', `use subnet ${subnet.cidr}: the host has ${what}`);
  };
  for (const { linkIndex, destination, prefixLength } of host.routes) {
    if (linkIndex === own && own !== undefined) continue;
    const other = subnetAround(destination, prefixLength);
    if (other.prefixLength < subnet.prefixLength || !overlap(other, subnet)) continue;
    refuse(`a route to ${other.cidr} over ${nameOf(linkIndex)}`);
  }
  for (const { linkIndex, address } of host.addresses) {
    if (familyOf(address) !== subnet.family) continue;
    const range = subnetAround(address, subnet.prefixLength);
    if (linkIndex !== own && range.cidr === subnet.cidr) {
      refuse(`the address ${address} on ${nameOf(linkIndex)}`);
    }
  }
}

/** Refuses the name of a bridge that something else has. */
export function refuseClash({ links }: HostNetwork, bridge: string): void {
  const existing = links.find(({ name }) => name === bridge);
  if (existing === undefined || existing.kind === 'bridge') return;
  const reason = `there is a ${existing.kind ?? 'device'} of that name`;
  throw new Fault('failed-precondition', `use bridge "${bridge}": ${reason}`);
}

/**
 * The MTU of the link or the route by which the host reaches the world, so that pods' packets fit
 * through it; where the families have several, the smallest.
 */
export function outwardMtu(host: HostNetwork, families: readonly (4 | 6)[]): number {
  const mtus = families.flatMap((family) => outwardMtuOf(host, family) ?? []);
  return mtus.length === 0 ? ethernetMtu : Math.min(...mtus);
}

function outwardMtuOf({ links, routes }: HostNetwork, family: 4 | 6): number | undefined {
  const [best] = routes
    .filter((route) => route.prefixLength === 0 && familyOf(route.destination) === family)
    .filter((route) => route.linkIndex !== undefined)
    .toSorted((one, other) => one.metric - other.metric);
  return best?.mtu ?? links.find((link) => link.index === best?.linkIndex)?.mtu;
}
