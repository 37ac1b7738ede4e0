import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { Fault } from '#errors/fault.ts';
import { familyOf, ipBytes, ipText } from '#linux/netlink/ip.ts';

/** A range of addresses of one family. Addresses inside are counted from its first, the network's own. */
export type Subnet = {
  /** As in `10.88.0.0/16` or `fd00:88::/64`. */
  readonly cidr: string;
  readonly family: 4 | 6;
  readonly first: bigint;
  readonly prefixLength: number;
};

const addressBits = { 4: 32, 6: 128 } as const;
/** Two addresses are left in the smallest: one for the gateway, one for a pod. */
const prefixLengths = { 4: { min: 8, max: 30 }, 6: { min: 16, max: 126 } } as const;
/** As many as a number of 32 bits can count; nobody has so many pods. */
const mostPods = 2 ** 32;

const reserved = [
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local addresses'],
  ['224.0.0.0/3', 'multicast'],
  ['0.0.0.0/8', 'the unspecified address'],
  ['::/16', 'loopback and addresses of IPv4'],
  ['fe80::/10', 'link-local addresses'],
  ['ff00::/8', 'multicast'],
] as const;

/** The subnet that `cidr` names; an `invalid-argument` Fault with the reason when pods cannot use it. */
export function parseSubnet(cidr: string): Subnet {
  const [address = '', length = ''] = cidr.split('/');
  const prefixLength = Number(length);
  const refuse = (reason: string): never => {
    throw new Fault('invalid-argument', `use subnet "${cidr}": ${reason}`);
  };
  if (isIP(address) === 0 || address.includes('%') || !/^\d+$/.test(length))
    return refuse('not a range like 10.88.0.0/16 or fd00:88::/64');
  const { min, max } = prefixLengths[familyOf(address)];
  if (prefixLength < min || prefixLength > max) {
    return refuse(`its prefix length must be from ${min} to ${max}`);
  }
  const subnet = subnetAround(address, prefixLength);
  if (numberOf(address) !== subnet.first) return refuse(`it begins inside of ${subnet.cidr}`);
  for (const [range, use] of reserved) {
    if (overlap(subnet, parseRange(range))) return refuse(`${range} is for ${use}`);
  }
  return subnet;
}

/** Any range, of which the caller knows that it is one. */
export function parseRange(cidr: string): Subnet {
  const [address = '', length] = cidr.split('/');
  return subnetAround(address, Number(length));
}

/** The subnet of this size that holds `address`. */
export function subnetAround(address: string, prefixLength: number): Subnet {
  const family = familyOf(address);
  const hostBits = BigInt(addressBits[family] - prefixLength);
  const first = (numberOf(address) >> hostBits) << hostBits;
  return { cidr: `${textOf(family, first)}/${prefixLength}`, family, first, prefixLength };
}

/** Its first usable address, which the bridge has. */
export function gatewayOf({ family, first }: Subnet): string {
  return textOf(family, first + 1n);
}

/** How many pods have room: all but the network's own address, the gateway's and IPv4's broadcast. */
export function podCapacity({ family, prefixLength }: Subnet): number {
  const taken = family === 4 ? 3 : 2;
  return Math.min(2 ** (addressBits[family] - prefixLength) - taken, mostPods);
}

/** The address of the pod's place `index`, from 0 to podCapacity() - 1. */
export function podAddress({ family, first }: Subnet, index: number): string {
  return textOf(family, first + 2n + BigInt(index));
}

/** The place of an address that podAddress() gave; undefined for any other. */
export function podIndex(subnet: Subnet, address: string): number | undefined {
  if (familyOf(address) !== subnet.family) return undefined;
  const index = numberOf(address) - subnet.first - 2n;
  return index >= 0n && index < podCapacity(subnet) ? Number(index) : undefined;
}

/** Whether some address is in both. */
export function overlap(one: Subnet, other: Subnet): boolean {
  if (one.family !== other.family) return false;
  const shared = Math.min(one.prefixLength, other.prefixLength);
  const hostBits = BigInt(addressBits[one.family] - shared);
  return one.first >> hostBits === other.first >> hostBits;
}

/** A MAC that belongs to the address, locally administered: who gets the address next has it, too. */
export function macOf(address: string): string {
  if (familyOf(address) === 4) return macText([0x02, 0x47, ...ipBytes(address)]);
  return macText([0x02, ...createHash('sha256').update(ipBytes(address)).digest().subarray(0, 5)]);
}

/** The MAC by which a bridge of this name shows that we made it. */
export function bridgeMac(name: string): string {
  return macText([0x02, ...createHash('sha256').update(name).digest().subarray(0, 5)]);
}

function macText(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

function numberOf(address: string): bigint {
  return BigInt(`0x${ipBytes(address).toString('hex')}`);
}

function textOf(family: 4 | 6, address: bigint): string {
  const digits = addressBits[family] / 4;
  return ipText(Buffer.from(address.toString(16).padStart(digits, '0'), 'hex'));
}
