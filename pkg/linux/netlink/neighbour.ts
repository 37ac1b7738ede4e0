import { isErrno } from '#errors/fault.ts';
import { bytes, decodeAttributes } from './attribute.ts';
import { addressFamilies, familyOf, ipBytes, ipText } from './ip.ts';
import { macText } from './link-format.ts';
import { type Request, requestFlags } from './message.ts';
import type { NetlinkSocket } from './socket.ts';

/** Who has an address on a link, as the kernel remembers it: an entry of its ARP or NDP table. */
export type Neighbour = {
  readonly linkIndex: number;
  readonly address: string;
  /** Undefined while it is being asked for, or when nobody answered. */
  readonly mac: string | undefined;
};

// rtnetlink(7), <linux/neighbour.h>
const RTM_DELNEIGH = 29;
const RTM_GETNEIGH = 30;
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NUD_NOARP = 0x40;
/** struct ndmsg */
const headerBytes = 12;

/** The neighbours on all links in the socket's network namespace, without those that are fixed. */
export function listNeighbours(socket: NetlinkSocket): Neighbour[] {
  const bodies = socket.request({
    act: 'list neighbours',
    type: RTM_GETNEIGH,
    flags: requestFlags.dump,
    fixed: Buffer.alloc(headerBytes),
    attributes: [],
  });
  return bodies.flatMap(decodeNeighbour);
}

/** Forgets who had these addresses on a link. Those of which nothing is known are passed over. */
export function forgetNeighbours(
  socket: NetlinkSocket,
  linkIndex: number,
  addresses: readonly string[],
): void {
  for (const address of addresses) {
    try {
      socket.request(deleteNeighbour(linkIndex, address));
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENODEV', 'ENXIO')) throw error;
    }
  }
}

function deleteNeighbour(linkIndex: number, address: string): Request {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt8(addressFamilies[familyOf(address)], 0);
  header.writeInt32LE(linkIndex, 4);
  return {
    act: `forget neighbour ${address}`,
    type: RTM_DELNEIGH,
    flags: 0,
    fixed: header,
    attributes: [bytes(NDA_DST, ipBytes(address))],
  };
}

function decodeNeighbour(body: Buffer): Neighbour[] {
  const attributes = decodeAttributes(body.subarray(headerBytes));
  const address = attributes.get(NDA_DST);
  if (address === undefined || (body.readUInt16LE(8) & NUD_NOARP) !== 0) return [];
  const mac = attributes.get(NDA_LLADDR);
  return [
    {
      linkIndex: body.readInt32LE(4),
      address: ipText(address),
      mac: mac === undefined ? undefined : macText(mac),
    },
  ];
}
