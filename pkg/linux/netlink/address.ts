import { bytes, decodeAttributes } from './attribute.ts';
import { ipv4Bytes, ipv4Text } from './ipv4.ts';
import { type Request, requestFlags } from './message.ts';
import type { NetlinkSocket } from './socket.ts';

/** An IPv4 address of a link. */
export type Address = {
  readonly linkIndex: number;
  readonly address: string;
  readonly prefixLength: number;
};

// rtnetlink(7)
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const AF_INET = 2;
/** struct ifaddrmsg */
const headerBytes = 8;

/** Gives a link an address, with the route to its subnet; the same address again changes nothing. */
export function newAddress({ linkIndex, address, prefixLength }: Address): Request {
  const local = ipv4Bytes(address);
  return {
    act: `add address ${address}/${prefixLength}`,
    type: RTM_NEWADDR,
    flags: requestFlags.create | requestFlags.replace,
    fixed: addressHeader(linkIndex, prefixLength),
    attributes: [bytes(IFA_LOCAL, local), bytes(IFA_ADDRESS, local)],
  };
}

/** The IPv4 addresses of all links in the socket's network namespace. */
export function listAddresses(socket: NetlinkSocket): Address[] {
  const bodies = socket.request({
    act: 'list addresses',
    type: RTM_GETADDR,
    flags: requestFlags.dump,
    fixed: addressHeader(0, 0),
    attributes: [],
  });
  return bodies.map((body) => ({
    linkIndex: body.readUInt32LE(4),
    address: ipv4Text(
      decodeAttributes(body.subarray(headerBytes)).get(IFA_LOCAL) ?? Buffer.alloc(4),
    ),
    prefixLength: body.readUInt8(1),
  }));
}

function addressHeader(linkIndex: number, prefixLength: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt8(AF_INET, 0);
  header.writeUInt8(prefixLength, 1);
  header.writeUInt32LE(linkIndex, 4);
  return header;
}
