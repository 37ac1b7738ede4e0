import { bytes, decodeAttributes } from './attribute.ts';
import { ipv4Bytes, ipv4Text } from './ipv4.ts';
import { type Request, requestFlags } from './message.ts';
import type { NetlinkSocket } from './socket.ts';

/** An IPv4 route of the main table. The default route is to `0.0.0.0` with prefix length 0. */
export type Route = {
  readonly destination: string;
  readonly prefixLength: number;
  readonly gateway: string | undefined;
  /** The link that it leads out of; undefined for routes over several, and for unreachable ones. */
  readonly linkIndex: number | undefined;
  /** Lower is preferred. */
  readonly metric: number;
};

// rtnetlink(7)
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_TABLE = 15;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RTN_UNICAST = 1;
const AF_INET = 2;
/** struct rtmsg */
const headerBytes = 12;

/** Sends what goes to no other place through `gateway`, which must be on a link's subnet. */
export function newDefaultRoute(gateway: string): Request {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt8(AF_INET, 0);
  header.writeUInt8(RT_TABLE_MAIN, 4);
  header.writeUInt8(RTPROT_BOOT, 5);
  header.writeUInt8(RTN_UNICAST, 7);
  return {
    act: `add default route by ${gateway}`,
    type: RTM_NEWROUTE,
    flags: requestFlags.create | requestFlags.replace,
    fixed: header,
    attributes: [bytes(RTA_GATEWAY, ipv4Bytes(gateway))],
  };
}

/** The IPv4 routes of the main table in the socket's network namespace. */
export function listRoutes(socket: NetlinkSocket): Route[] {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt8(AF_INET, 0);
  const bodies = socket.request({
    act: 'list routes',
    type: RTM_GETROUTE,
    flags: requestFlags.dump,
    fixed: header,
    attributes: [],
  });
  return bodies.flatMap(decodeRoute);
}

/** The kernel lists all tables, with each host's own addresses among them. */
function decodeRoute(body: Buffer): Route[] {
  const attributes = decodeAttributes(body.subarray(headerBytes));
  const table = attributes.get(RTA_TABLE)?.readUInt32LE() ?? body.readUInt8(4);
  if (table !== RT_TABLE_MAIN) return [];
  return [
    {
      destination: ipv4Text(attributes.get(RTA_DST) ?? Buffer.alloc(4)),
      prefixLength: body.readUInt8(1),
      gateway: optionalAddress(attributes.get(RTA_GATEWAY)),
      linkIndex: attributes.get(RTA_OIF)?.readUInt32LE(),
      metric: attributes.get(RTA_PRIORITY)?.readUInt32LE() ?? 0,
    },
  ];
}

function optionalAddress(value: Buffer | undefined): string | undefined {
  return value === undefined ? undefined : ipv4Text(value);
}
