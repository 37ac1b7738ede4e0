import { Fault, isErrno } from '#errors/fault.ts';
import { setIfThere } from '#linux/namespace-sysctl.ts';
import { type Address, deleteAddress, listAddresses, newAddress } from './address.ts';
import { familyOf } from './ip.ts';
import { findLink, type Link } from './link.ts';
import {
  becomePort,
  deleteLink,
  newBridge,
  setDown,
  setHairpin,
  setUp,
  withoutIpv6Address,
} from './link-request.ts';
import type { Request } from './message.ts';
import { forgetNeighbours } from './neighbour.ts';
import type { NetlinkSocket } from './socket.ts';

/** A bridge of the host with addresses of the host's on it: the gateways of those who are attached. */
export type Bridge = {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly addresses: readonly Pick<Address, 'address' | 'prefixLength'>[];
  /** Addresses that it is not to have any more. */
  readonly stale?: readonly Pick<Address, 'address' | 'prefixLength'>[];
};

/** A link with its addresses. */
export type LinkView = Link & { readonly addresses: readonly Address[] };

/** The link of this name as it is now, or undefined. */
export function viewLink(host: NetlinkSocket, name: string): LinkView | undefined {
  const link = findLink(host, name);
  if (link === undefined) return undefined;
  const addresses = listAddresses(host).filter(({ linkIndex }) => linkIndex === link.index);
  return { ...link, addresses };
}

/**
 * Neighbours are asked for from a link-local address when what is forwarded is not from the host. This
 * one is usable at once; the one that the kernel makes is so a second after the first port came up.
 */
const linkLocal = { address: 'fe80::1', prefixLength: 64 };

/**
 * Makes sure that the bridge is there, up and with its addresses. Returns its index. One of that name
 * and another MAC is somebody else's: it gets the addresses, and no other change.
 */
export function ensureBridge(host: NetlinkSocket, bridge: Bridge): { readonly index: number } {
  const { name, mac, addresses, stale = [] } = bridge;
  const existing = findLink(host, name);
  if (existing === undefined) host.request(newBridge(bridge));
  const { index, kind, mac: found } = existing ?? getLink(host, name);
  if (kind !== 'bridge') {
    throw new Fault('failed-precondition', `use "${name}" as bridge: it is a ${kind ?? 'device'}`);
  }
  const hasIpv6 = addresses.some(({ address }) => familyOf(address) === 6);
  const isOurs = found === mac;
  if (isOurs) guardIpv6(name, hasIpv6);
  for (const each of stale) {
    unlessGone(() => host.request(deleteAddress({ linkIndex: index, ...each })));
  }
  const wanted = isOurs && hasIpv6 ? [...addresses, linkLocal] : addresses;
  host.request(setUp(name), ...wanted.map((each) => newAddress({ linkIndex: index, ...each })));
  return { index };
}

/** No pod may tell the host where its routers are. */
function guardIpv6(name: string, isUsed: boolean): void {
  setIfThere(`net/ipv6/conf/${name}/accept_ra`, '0');
  if (isUsed) setIfThere(`net/ipv6/conf/${name}/disable_ipv6`, '0');
}

/** Makes those of the links that still exist ports of the bridge, if they are not. */
export function joinBridge(
  host: NetlinkSocket,
  { bridgeIndex, links }: { readonly bridgeIndex: number; readonly links: readonly string[] },
): void {
  for (const link of links) {
    unlessGone(() => makePort(host, link, becomePort(link, bridgeIndex)));
  }
}

/** Makes a link a port by way of `request`, and makes it fit for a pod. */
export function makePort(host: NetlinkSocket, link: string, request: Request): void {
  host.request(request, setHairpin(link));
  try {
    // Nobody would use the address, and every pod on the bridge would hear of it.
    host.request(withoutIpv6Address(link));
  } catch (error) {
    // No IPv6 in this kernel, or not with so small an MTU: no address, either.
    if (!isErrno(error, 'EAFNOSUPPORT')) throw error;
  }
}

/**
 * Stops a port of a bridge from passing anything, and has the host forget that these addresses were
 * behind it. Succeeds when either is gone.
 */
export function disconnectPort(
  host: NetlinkSocket,
  port: { readonly link: string; readonly bridge: string; readonly addresses: readonly string[] },
): void {
  unlessGone(() => host.request(setDown(port.link)));
  const bridge = findLink(host, port.bridge);
  if (bridge !== undefined) forgetNeighbours(host, bridge.index, port.addresses);
}

/** Deletes the links, one after the other. Succeeds for those that are gone. Slow: see deleteLink. */
export function deleteLinks(host: NetlinkSocket, links: readonly string[]): void {
  for (const link of links) unlessGone(() => host.request(deleteLink(link)));
}

/** The link of this name; a `not-found` Fault when there is none. */
export function getLink(socket: NetlinkSocket, name: string): Link {
  const link = findLink(socket, name);
  if (link === undefined) throw new Fault('not-found', `get link "${name}": there is none`);
  return link;
}

function unlessGone(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!isErrno(error, 'ENODEV', 'EADDRNOTAVAIL')) throw error;
  }
}
