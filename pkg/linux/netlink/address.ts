import { bytes, decodeAttributes } from './attribute.ts';
import { addressFamilies, familyOf, ipBytes, ipText } from './ip.ts';
import { type Request, requestFlags } from './message.ts';
import type { NetlinkSocket } from './socket.ts';

/** An address of a link, of either family. */
export type Address = {
  readonly linkIndex: number;
  readonly address: string;
  readonly prefixLength: number;
};

// rtnetlink(7)
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
/** The address is usable at once: nobody asks first whether somebody else has it. IPv6 only. */
const IFA_F_NODAD = 2;
/** struct ifaddrmsg */
const headerBytes = 8;

/** Gives a link an address, with the route to its subnet; the same address again changes nothing. */
export function newAddress({ linkIndex, address, prefixLength }: Address): Request {
  return {
    act: `add address ${address}/${prefixLength}`,
    type: RTM_NEWADDR,
    flags: requestFlags.create | requestFlags.replace,
    ...addressOf({ linkIndex, address, prefixLength }),
  };
}

/** Takes an address from a link, and with it the route to its subnet. */
export function deleteAddress(address: Address): Request {
  return {
    act: `delete address ${address.address}/${address.prefixLength}`,
    type: RTM_DELADDR,
    flags: 0,
    ...addressOf(address),
  };
}

function addressOf({
  linkIndex,
  address,
  prefixLength,
}: Address): Pick<Request, 'fixed' | 'attributes'> {
  const local = ipBytes(address);
  const header = Buffer.alloc(headerBytes);
  header.writeUInt8(addressFamilies[familyOf(address)], 0);
  header.writeUInt8(prefixLength, 1);
  header.writeUInt8(IFA_F_NODAD, 2);
  header.writeUInt32LE(linkIndex, 4);
  return { fixed: header, attributes: [bytes(IFA_LOCAL, local), bytes(IFA_ADDRESS, local)] };
}

/** The addresses of all links in the socket's network namespace. */
export function listAddresses(socket: NetlinkSocket): Address[] {
  const bodies = socket.request({
    act: 'list addresses',
    type: RTM_GETADDR,
    flags: requestFlags.dump,
    fixed: Buffer.alloc(headerBytes),
    attributes: [],
  });
  return bodies.flatMap(decodeAddress);
}

/** A link with a peer has that in IFA_ADDRESS, and its own address in IFA_LOCAL. */
function decodeAddress(body: Buffer): Address[] {
  const attributes = decodeAttributes(body.subarray(headerBytes));
  const local = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
  if (local === undefined) return [];
  return [
    {
      linkIndex: body.readUInt32LE(4),
      address: ipText(local),
      prefixLength: body.readUInt8(1),
    },
  ];
}
