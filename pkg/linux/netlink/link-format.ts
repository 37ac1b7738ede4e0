/** Types of messages about links; see rtnetlink(7). */
export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;

/** Attributes of a link: IFLA_* of <linux/if_link.h>. */
export const linkAttribute = {
  address: 1,
  name: 3,
  mtu: 4,
  peer: 5,
  master: 10,
  linkInfo: 18,
  stats64: 23,
  familySpec: 26,
  netnsFd: 28,
  extMask: 29,
  sendQueues: 31,
  receiveQueues: 32,
  targetNetnsId: 46,
} as const;

/** Attributes inside `linkInfo`: IFLA_INFO_*. */
export const linkInfo = { kind: 1, data: 2, portKind: 4, portData: 5 } as const;

const IFF_UP = 1;

/** struct ifinfomsg. `isUp` absent leaves the state as it is, or down for a new link. */
export function linkHeader(
  link: { readonly index?: number; readonly isUp?: boolean } = {},
): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(link.index ?? 0, 4);
  if (link.isUp === undefined) return header;
  header.writeUInt32LE(link.isUp ? IFF_UP : 0, 8);
  header.writeUInt32LE(IFF_UP, 12);
  return header;
}

/** What linkHeader wrote, or the kernel. */
export function decodeLinkHeader(header: Buffer): { index: number; isUp: boolean } {
  return { index: header.readInt32LE(4), isUp: (header.readUInt32LE(8) & IFF_UP) !== 0 };
}

export const linkHeaderBytes = 16;

/** The six bytes of `02:47:0a:58:00:05`. */
export function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

export function macText(bytes: Buffer): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
