import { isErrno } from '#errors/fault.ts';
import { type Attribute, bytes, decodeAttributes, nested, uint32, uint8 } from './attribute.ts';
import { addressFamilies, familyOf, ipBytes, ipText } from './ip.ts';
import { type Request, requestFlags } from './message.ts';
import { NetlinkSocket } from './socket.ts';

/** Numbers of protocols: /etc/protocols. */
export const protocolNumbers = { tcp: 6, udp: 17, sctp: 132 } as const;
export type IpProtocol = keyof typeof protocolNumbers;

/**
 * Which tracked connections to forget: those whose answers come from an address (of a pod, which may
 * be known to the other side by another one), or those that were opened to a port of some addresses.
 */
export type Connections =
  | { readonly answeredBy: string }
  | {
      readonly openedTo: readonly string[];
      readonly protocol: IpProtocol;
      readonly port: number;
    };

// <linux/netfilter/nfnetlink_conntrack.h>
const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_ID = 12;
const CTA_FILTER = 25;
const CTA_FILTER_ORIG_FLAGS = 1;
const CTA_FILTER_REPLY_FLAGS = 2;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_DST_PORT = 3;
const NLA_F_NESTED = 0x8000;
/** CTA_IP_V4_SRC and its kin. */
const addressAttributes = {
  4: { source: 1, destination: 2 },
  6: { source: 3, destination: 4 },
} as const;
/** Which parts of a tuple a filter goes by. */
const filterFlags = { source: 1 << 0, protocol: 1 << 3, destinationPort: 1 << 5 } as const;
/** struct nfgenmsg */
const headerBytes = 4;

/**
 * Has the kernel forget tracked connections in the calling thread's network namespace, so that their
 * next packets are led by the rules of today. The kernel looks through its table itself; before Linux
 * 5.8 it gives out all of it, so what it gives is looked at again.
 */
export function forgetConnections(which: Connections): void {
  using socket = new NetlinkSocket('netfilter');
  const families = 'answeredBy' in which ? [familyOf(which.answeredBy)] : ([4, 6] as const);
  for (const family of families) {
    const found = socket.request(listRequest(addressFamilies[family], which));
    for (const body of found) if (matches(body, which)) deleteOne(socket, body);
  }
}

function listRequest(family: number, which: Connections): Request {
  return {
    act: 'list tracked connections',
    type: (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET,
    flags: requestFlags.dump,
    fixed: Buffer.of(family, 0, 0, 0),
    attributes: 'answeredBy' in which ? byAnswer(which.answeredBy) : byPort(which),
  };
}

function byAnswer(address: string): Attribute[] {
  const { source } = addressAttributes[familyOf(address)];
  return [
    nested(CTA_TUPLE_REPLY, nested(CTA_TUPLE_IP, bytes(source, ipBytes(address)))),
    filter(0, filterFlags.source),
  ];
}

function byPort(which: { readonly protocol: IpProtocol; readonly port: number }): Attribute[] {
  const number = uint8(CTA_PROTO_NUM, protocolNumbers[which.protocol]);
  const port = bytes(CTA_PROTO_DST_PORT, Buffer.of(which.port >> 8, which.port & 0xff));
  return [
    nested(CTA_TUPLE_ORIG, nested(CTA_TUPLE_PROTO, number, port)),
    filter(filterFlags.protocol | filterFlags.destinationPort, 0),
  ];
}

function filter(original: number, reply: number): Attribute {
  return nested(
    CTA_FILTER | NLA_F_NESTED,
    uint32(CTA_FILTER_ORIG_FLAGS, original),
    uint32(CTA_FILTER_REPLY_FLAGS, reply),
  );
}

function matches(body: Buffer, which: Connections): boolean {
  if ('answeredBy' in which) return readTuple(body, CTA_TUPLE_REPLY).source === which.answeredBy;
  const { destination, protocol, port } = readTuple(body, CTA_TUPLE_ORIG);
  const isPort = protocol === protocolNumbers[which.protocol] && port === which.port;
  return isPort && which.openedTo.includes(destination);
}

function readTuple(body: Buffer, direction: typeof CTA_TUPLE_ORIG | typeof CTA_TUPLE_REPLY) {
  const tuple = inside(inside(body.subarray(headerBytes)).get(direction));
  const addresses = inside(tuple.get(CTA_TUPLE_IP));
  const protocol = inside(tuple.get(CTA_TUPLE_PROTO));
  const address = (end: 'source' | 'destination'): string =>
    ipText(
      addresses.get(addressAttributes[4][end]) ??
        addresses.get(addressAttributes[6][end]) ??
        Buffer.alloc(4),
    );
  return {
    source: address('source'),
    destination: address('destination'),
    protocol: protocol.get(CTA_PROTO_NUM)?.readUInt8(),
    port: protocol.get(CTA_PROTO_DST_PORT)?.readUInt16BE(),
  };
}

function inside(value: Buffer | undefined): Map<number, Buffer> {
  return decodeAttributes(value ?? Buffer.alloc(0));
}

/** By its own description; the id keeps us from one that has come in its place since. */
function deleteOne(socket: NetlinkSocket, body: Buffer): void {
  const attributes = inside(body.subarray(headerBytes));
  const [tuple, id] = [attributes.get(CTA_TUPLE_ORIG), attributes.get(CTA_ID)];
  if (tuple === undefined || id === undefined) return;
  try {
    socket.request({
      act: 'forget a tracked connection',
      type: (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE,
      flags: 0,
      fixed: Buffer.of(body.readUInt8(0), 0, 0, 0),
      attributes: [bytes(CTA_TUPLE_ORIG | NLA_F_NESTED, tuple), bytes(CTA_ID, id)],
    });
  } catch (error) {
    // It ended by itself.
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}
