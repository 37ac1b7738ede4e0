import { closeSync, openSync } from 'node:fs';
import { decodeAttributes, uint32 } from './attribute.ts';
import type { NetlinkSocket } from './socket.ts';

// <linux/net_namespace.h>, <linux/rtnetlink.h>
const RTM_NEWNSID = 88;
const RTM_GETNSID = 90;
const NETNSA_NSID = 1;
const NETNSA_FD = 3;
const none = -1;
/** struct rtgenmsg, padded. */
const headerBytes = 4;

/**
 * The number by which the socket's network namespace knows the one that is pinned at `path`; given to
 * it where it had none. With it one asks about that namespace without entering it (rtnetlink(7)). It
 * is good for as long as the namespace lives.
 */
export function namespaceId(socket: NetlinkSocket, path: string): number {
  const fd = openSync(path, 'r');
  try {
    const known = getId(socket, fd);
    if (known !== none) return known;
    newId(socket, fd);
    return getId(socket, fd);
  } finally {
    closeSync(fd);
  }
}

function getId(socket: NetlinkSocket, fd: number): number {
  const [body] = socket.request({
    act: 'get the id of a network namespace',
    type: RTM_GETNSID,
    flags: 0,
    fixed: Buffer.alloc(headerBytes),
    attributes: [uint32(NETNSA_FD, fd)],
  });
  const attributes = decodeAttributes(body?.subarray(headerBytes) ?? Buffer.alloc(0));
  return attributes.get(NETNSA_NSID)?.readInt32LE() ?? none;
}

function newId(socket: NetlinkSocket, fd: number): void {
  socket.request({
    act: 'give a network namespace an id',
    type: RTM_NEWNSID,
    flags: 0,
    fixed: Buffer.alloc(headerBytes),
    // Minus one: whichever is free.
    attributes: [uint32(NETNSA_NSID, 0xffff_ffff), uint32(NETNSA_FD, fd)],
  });
}
