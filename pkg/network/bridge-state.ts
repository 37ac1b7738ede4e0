import type { Address } from '#linux/netlink/address.ts';
import type { LinkView } from '#linux/netlink/bridge.ts';
import { bridgeMac, gatewayOf, overlap, parseRange, type Subnet, subnetAround } from './subnet.ts';

/** Something that the network needs and that is not as it should be: `bridge gantry0`, `is down`. */
export type Lack = { readonly subject: string; readonly problem: string };

/** What a bridge that pods are on lacks; `subnets` are all that pods have addresses of. */
export function lacksOfBridge(
  name: string,
  link: LinkView | undefined,
  subnets: readonly Subnet[],
): Lack[] {
  const subject = `bridge ${name}`;
  if (link === undefined) return [{ subject, problem: 'is gone' }];
  // By the address alone: of IPv6, the kernel has each only once on a link, whatever its range.
  const present = new Set(link.addresses.map(({ address }) => address));
  const missing = subnets.map(gatewayOf).filter((address) => !present.has(address));
  return [
    ...(link.isUp ? [] : [{ subject, problem: 'is down' }]),
    ...missing.map((address) => ({ subject, problem: `has no address ${address} any more` })),
  ];
}

const linkLocal = parseRange('fe80::/10');

/**
 * Addresses of our own bridge by which it was the gateway of subnets that nobody uses any more: the
 * configuration was changed. What an operator gave it is not the first address of its subnet.
 */
export function staleAddresses(
  name: string,
  link: Pick<LinkView, 'mac' | 'addresses'> | undefined,
  subnets: readonly Subnet[],
): Pick<Address, 'address' | 'prefixLength'>[] {
  if (link?.mac !== bridgeMac(name)) return [];
  const used = new Set(subnets.map(({ cidr }) => cidr));
  return link.addresses
    .map(({ address, prefixLength }) => ({ address, prefixLength }))
    .filter(({ address, prefixLength }) => {
      const subnet = subnetAround(address, prefixLength);
      return address === gatewayOf(subnet) && !used.has(subnet.cidr) && !overlap(subnet, linkLocal);
    });
}
