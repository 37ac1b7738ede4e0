import {
  type Attribute,
  bytes,
  encodeAttributes,
  nested,
  text,
  uint32,
  uint8,
} from './attribute.ts';
import {
  linkAttribute,
  linkHeader,
  linkInfo,
  macBytes,
  RTM_DELLINK,
  RTM_NEWLINK,
} from './link-format.ts';
import { type Request, requestFlags } from './message.ts';

// <linux/if_link.h>
const VETH_INFO_PEER = 1;
const IFLA_BRPORT_MODE = 4;
const AF_INET6 = 10;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_NONE = 1;

/** Makes a bridge, down, with a fixed MAC: one of its own choosing would change with its ports. */
export function newBridge(bridge: {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
}): Request {
  return newLink(`make bridge "${bridge.name}"`, { isUp: false }, [
    text(linkAttribute.name, bridge.name),
    bytes(linkAttribute.address, macBytes(bridge.mac)),
    uint32(linkAttribute.mtu, bridge.mtu),
    nested(linkAttribute.linkInfo, text(linkInfo.kind, 'bridge')),
  ]);
}

/** Two ends of one cable: this one, a port of a bridge, and a peer in another network namespace. */
export type VethPair = {
  readonly name: string;
  readonly bridgeIndex: number;
  readonly mtu: number;
  readonly peer: { readonly name: string; readonly mac: string; readonly netnsFd: number };
};

/**
 * A veth uses one queue in each direction unless XDP asks for more, yet the kernel would register one
 * for every processor, with each end: a quarter of the whole time with two processors.
 */
const oneQueue = [uint32(linkAttribute.sendQueues, 1), uint32(linkAttribute.receiveQueues, 1)];

/** Makes a veth pair: this end up and on its bridge, the peer in its namespace and down. */
export function newVethPair({ name, bridgeIndex, mtu, peer }: VethPair): Request {
  const peerAttributes = [
    text(linkAttribute.name, peer.name),
    bytes(linkAttribute.address, macBytes(peer.mac)),
    uint32(linkAttribute.mtu, mtu),
    uint32(linkAttribute.netnsFd, peer.netnsFd),
    ...oneQueue,
  ];
  const peerEnd = Buffer.concat([linkHeader(), encodeAttributes(peerAttributes)]);
  return newLink(`make veth pair "${name}"`, { isUp: true }, [
    text(linkAttribute.name, name),
    uint32(linkAttribute.mtu, mtu),
    ...oneQueue,
    uint32(linkAttribute.master, bridgeIndex),
    nested(
      linkAttribute.linkInfo,
      text(linkInfo.kind, 'veth'),
      nested(linkInfo.data, bytes(VETH_INFO_PEER, peerEnd)),
    ),
  ]);
}

/** Sets a link up. */
export function setUp(name: string): Request {
  return changeLink(`set "${name}" up`, name, { isUp: true });
}

/** Sets a link down: nothing passes any more, at once and without the long wait of deleting it. */
export function setDown(name: string): Request {
  return changeLink(`set "${name}" down`, name, { isUp: false });
}

/** Makes a link a port of the bridge with this index. */
export function becomePort(name: string, bridgeIndex: number): Request {
  const master = uint32(linkAttribute.master, bridgeIndex);
  return changeLink(`make "${name}" a port`, name, { attributes: [master] });
}

/** Lets frames go back where they came from: a pod may reach itself by a port of the host. */
export function setHairpin(name: string): Request {
  const hairpin = nested(linkInfo.portData, uint8(IFLA_BRPORT_MODE, 1));
  const port = nested(linkAttribute.linkInfo, text(linkInfo.portKind, 'bridge'), hairpin);
  return changeLink(`set hairpin mode of "${name}"`, name, { attributes: [port] });
}

/** Keeps a link from giving itself an IPv6 address when it comes up. */
export function withoutIpv6Address(name: string): Request {
  const mode = nested(AF_INET6, uint8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE));
  const attributes = [nested(linkAttribute.familySpec, mode)];
  return changeLink(`keep "${name}" from an IPv6 address`, name, { attributes });
}

/** Takes a link away, of a pair both ends. For a veth the kernel takes some 20 ms (RCU). */
export function deleteLink(name: string): Request {
  return {
    act: `delete link "${name}"`,
    type: RTM_DELLINK,
    flags: 0,
    fixed: linkHeader(),
    attributes: [text(linkAttribute.name, name)],
  };
}

function newLink(
  act: string,
  state: { readonly isUp: boolean },
  attributes: readonly Attribute[],
): Request {
  const flags = requestFlags.create | requestFlags.exclusive;
  return { act, type: RTM_NEWLINK, flags, fixed: linkHeader(state), attributes };
}

function changeLink(
  act: string,
  name: string,
  change: { readonly isUp?: boolean; readonly attributes?: readonly Attribute[] },
): Request {
  const { isUp, attributes = [] } = change;
  return {
    act,
    type: RTM_NEWLINK,
    flags: 0,
    fixed: linkHeader(isUp === undefined ? {} : { isUp }),
    attributes: [text(linkAttribute.name, name), ...attributes],
  };
}
