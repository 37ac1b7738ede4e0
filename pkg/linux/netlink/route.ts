import type { IpFamily } from '#linux/netns-socket.ts';
import { bytes, decodeAttributes, uint32 } from './attribute.ts';
import { addressFamilies, familyOf, ipBytes, ipText, unspecified } from './ip.ts';
import { type Request, requestFlags } from './message.ts';
import type { NetlinkSocket } from './socket.ts';

/** A route of the main table. The default route is to `0.0.0.0` or `::` with prefix length 0. */
export type Route = {
  readonly destination: string;
  readonly prefixLength: number;
  readonly gateway: string | undefined;
  /** The link that it leads out of, of several the first; undefined for unreachable ones. */
  readonly linkIndex: number | undefined;
  /** Lower is preferred. */
  readonly metric: number;
  /** In bytes, where the route has one of its own. */
  readonly mtu: number | undefined;
};

// rtnetlink(7), <linux/rtnetlink.h>
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_METRICS = 8;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RTAX_MTU = 2;
const RT_TABLE_MAIN = 254;
const RT_TABLE_LOCAL = 255;
const RTPROT_BOOT = 3;
const RTN_UNICAST = 1;
const RTN_LOCAL = 2;
const RTM_F_CLONED = 0x200;
const AF_INET = 2;
const AF_INET6 = 10;
/** struct rtmsg */
const headerBytes = 12;

/** Sends what goes to no other place through `gateway`, which must be on a link's subnet. */
export function newDefaultRoute(gateway: string): Request {
  return {
    act: `add default route by ${gateway}`,
    type: RTM_NEWROUTE,
    flags: requestFlags.create | requestFlags.replace,
    fixed: routeHeader(familyOf(gateway), { table: RT_TABLE_MAIN, type: RTN_UNICAST }),
    attributes: [bytes(RTA_GATEWAY, ipBytes(gateway))],
  };
}

/**
 * Takes `::1` in from a link, as an answer whose addresses have been translated back. What comes over
 * the wire with that address is dropped before (RFC 4291, 2.5.3). The route of the loopback itself has
 * the better metric.
 */
export function newLoopbackRoute(linkIndex: number): Request {
  const loopback = '::1';
  return {
    act: `add local route to ${loopback}`,
    type: RTM_NEWROUTE,
    flags: requestFlags.create | requestFlags.replace,
    fixed: routeHeader(6, { table: RT_TABLE_LOCAL, type: RTN_LOCAL, prefixLength: 128 }),
    attributes: [
      bytes(RTA_DST, ipBytes(loopback)),
      uint32(RTA_OIF, linkIndex),
      uint32(RTA_PRIORITY, 2048),
    ],
  };
}

/** The routes of the main table in the socket's network namespace. */
export function listRoutes(socket: NetlinkSocket): Route[] {
  const bodies = socket.request({
    act: 'list routes',
    type: RTM_GETROUTE,
    flags: requestFlags.dump,
    fixed: Buffer.alloc(headerBytes),
    attributes: [],
  });
  return bodies.flatMap(decodeRoute);
}

function routeHeader(
  family: IpFamily,
  route: { readonly table: number; readonly type: number; readonly prefixLength?: number },
): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt8(addressFamilies[family], 0);
  header.writeUInt8(route.prefixLength ?? 0, 1);
  header.writeUInt8(route.table, 4);
  header.writeUInt8(RTPROT_BOOT, 5);
  header.writeUInt8(route.type, 7);
  return header;
}

/** The kernel lists all tables and families, with each host's own addresses among them. */
function decodeRoute(body: Buffer): Route[] {
  const attributes = decodeAttributes(body.subarray(headerBytes));
  const table = attributes.get(RTA_TABLE)?.readUInt32LE() ?? body.readUInt8(4);
  const isCached = (body.readUInt32LE(8) & RTM_F_CLONED) !== 0;
  const family = familyIn(body.readUInt8(0));
  if (table !== RT_TABLE_MAIN || isCached || family === undefined) return [];
  const metrics = decodeAttributes(attributes.get(RTA_METRICS) ?? Buffer.alloc(0));
  return [
    {
      destination: optionalText(attributes.get(RTA_DST)) ?? unspecified(family),
      prefixLength: body.readUInt8(1),
      ...wayOf(attributes),
      metric: attributes.get(RTA_PRIORITY)?.readUInt32LE() ?? 0,
      mtu: metrics.get(RTAX_MTU)?.readUInt32LE(),
    },
  ];
}

/** Of several ways, each a struct rtnexthop with its length in front and attributes behind, the first. */
function wayOf(attributes: ReadonlyMap<number, Buffer>): Pick<Route, 'gateway' | 'linkIndex'> {
  const ways = attributes.get(RTA_MULTIPATH);
  if (ways !== undefined) {
    const first = decodeAttributes(ways.subarray(8, ways.readUInt16LE(0)));
    return { linkIndex: ways.readInt32LE(4), gateway: optionalText(first.get(RTA_GATEWAY)) };
  }
  const linkIndex = attributes.get(RTA_OIF)?.readUInt32LE();
  return { linkIndex, gateway: optionalText(attributes.get(RTA_GATEWAY)) };
}

function optionalText(address: Buffer | undefined): string | undefined {
  return address === undefined ? undefined : ipText(address);
}

function familyIn(number: number): IpFamily | undefined {
  if (number === AF_INET) return 4;
  return number === AF_INET6 ? 6 : undefined;
}
