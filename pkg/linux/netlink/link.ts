import { isErrno } from '#errors/fault.ts';
import { decodeAttributes, text, textOf, uint32 } from './attribute.ts';
import {
  decodeLinkHeader,
  linkAttribute,
  linkHeader,
  linkHeaderBytes,
  linkInfo,
  macText,
  RTM_GETLINK,
} from './link-format.ts';
import { requestFlags } from './message.ts';
import type { NetlinkSocket } from './socket.ts';

/** A network interface, as the kernel describes it. */
export type Link = {
  readonly index: number;
  readonly name: string;
  /** `bridge`, `veth`, …; undefined for hardware and loopback. */
  readonly kind: string | undefined;
  readonly mac: string;
  readonly mtu: number;
  readonly isUp: boolean;
  /** The index of the bridge that it is a port of. */
  readonly bridgeIndex: number | undefined;
  /** Of a veth, the index of its other end in the network namespace where that is. */
  readonly peerIndex: number | undefined;
};

/** RTEXT_FILTER_SKIP_STATS: the counters are most of an answer. */
const withoutCounters = uint32(linkAttribute.extMask, 8);

/** The link of this name, or undefined. */
export function findLink(socket: NetlinkSocket, name: string): Link | undefined {
  try {
    const [body] = socket.request({
      act: `get link "${name}"`,
      type: RTM_GETLINK,
      flags: 0,
      fixed: linkHeader(),
      attributes: [text(linkAttribute.name, name), withoutCounters],
    });
    return body === undefined ? undefined : decodeLink(body);
  } catch (error) {
    if (isErrno(error, 'ENODEV')) return undefined;
    throw error;
  }
}

/** All links of the socket's network namespace. */
export function listLinks(socket: NetlinkSocket): Link[] {
  const bodies = socket.request({
    act: 'list links',
    type: RTM_GETLINK,
    flags: requestFlags.dump,
    fixed: linkHeader(),
    attributes: [withoutCounters],
  });
  return bodies.map(decodeLink);
}

function decodeLink(body: Buffer): Link {
  const attributes = decodeAttributes(body.subarray(linkHeaderBytes));
  const details = decodeAttributes(attributes.get(linkAttribute.linkInfo) ?? Buffer.alloc(0));
  return {
    ...decodeLinkHeader(body),
    name: textOf(attributes.get(linkAttribute.name)) ?? '',
    kind: textOf(details.get(linkInfo.kind)),
    mac: macText(attributes.get(linkAttribute.address) ?? Buffer.alloc(0)),
    mtu: attributes.get(linkAttribute.mtu)?.readUInt32LE() ?? 0,
    bridgeIndex: attributes.get(linkAttribute.master)?.readUInt32LE(),
    peerIndex: attributes.get(linkAttribute.peer)?.readUInt32LE(),
  };
}
