import { isErrno } from '#errors/fault.ts';
import { decodeAttributes, textOf, uint32 } from './attribute.ts';
import { linkAttribute, linkHeader, linkHeaderBytes, RTM_GETLINK } from './link-format.ts';
import { requestFlags } from './message.ts';
import { namespaceId } from './namespace-id.ts';
import type { NetlinkSocket } from './socket.ts';

/** What went through one end of an interface so far. */
export type Traffic = {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
};

/** The counters of an interface, as seen from the network namespace that it is in. */
export type LinkCounters = {
  readonly name: string;
  readonly received: Traffic;
  readonly sent: Traffic;
};

/** The ARP type of the loopback: <linux/if_arp.h>. */
const ARPHRD_LOOPBACK = 772;

/**
 * The counters of the interfaces in each of the network namespaces, without entering them, in the
 * order of the paths at which these are pinned; the loopback is left out. Undefined for a path at
 * which there is none any more.
 */
export function listLinkCounters(
  host: NetlinkSocket,
  netnsPaths: readonly string[],
): (LinkCounters[] | undefined)[] {
  return netnsPaths.map((path) => {
    try {
      return countersIn(host, namespaceId(host, path));
    } catch (error) {
      // EINVAL: what was a namespace is an empty file by now.
      if (isErrno(error, 'ENOENT', 'EINVAL')) return undefined;
      throw error;
    }
  });
}

function countersIn(host: NetlinkSocket, id: number): LinkCounters[] {
  const bodies = host.request({
    act: `list links of network namespace ${id}`,
    type: RTM_GETLINK,
    flags: requestFlags.dump,
    fixed: linkHeader(),
    attributes: [uint32(linkAttribute.targetNetnsId, id)],
  });
  return bodies.filter((body) => body.readUInt16LE(2) !== ARPHRD_LOOPBACK).map(decodeCounters);
}

/** struct rtnl_link_stats64: numbers of 64 bits, by their places. */
function decodeCounters(body: Buffer): LinkCounters {
  const attributes = decodeAttributes(body.subarray(linkHeaderBytes));
  const stats = attributes.get(linkAttribute.stats64);
  const count = (place: number): number => Number(stats?.readBigUInt64LE(place * 8) ?? 0);
  return {
    name: textOf(attributes.get(linkAttribute.name)) ?? '',
    received: { packets: count(0), bytes: count(2), errors: count(4), dropped: count(6) },
    sent: { packets: count(1), bytes: count(3), errors: count(5), dropped: count(7) },
  };
}
