import { Fault, isErrno } from '#errors/fault.ts';
import { newAddress } from './address.ts';
import { findLink, type Link } from './link.ts';
import {
  deleteLink,
  setDown,
  setHairpin,
  becomePort,
  newBridge,
  setUp,
  withoutIpv6Address,
} from './link-request.ts';
import type { Request } from './message.ts';
import type { NetlinkSocket } from './socket.ts';

/** A bridge of the host with an address of the host's on it: the gateway of those who are attached. */
export type Bridge = {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly address: string;
  readonly prefixLength: number;
};

/** Makes sure that the bridge is there, up and with its address. Returns its index. */
export function ensureBridge(host: NetlinkSocket, bridge: Bridge): { readonly index: number } {
  const { name, address, prefixLength } = bridge;
  const existing = findLink(host, name);
  if (existing === undefined) host.request(newBridge(bridge));
  const { index, kind } = existing ?? getLink(host, name);
  if (kind !== 'bridge') {
    throw new Fault('failed-precondition', `use "${name}" as bridge: it is a ${kind ?? 'device'}`);
  }
  host.request(setUp(name), newAddress({ linkIndex: index, address, prefixLength }));
  return { index };
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

/** Stops a link from passing anything. Succeeds when it is gone. */
export function stopLink(host: NetlinkSocket, link: string): void {
  unlessGone(() => host.request(setDown(link)));
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
    if (!isErrno(error, 'ENODEV')) throw error;
  }
}
