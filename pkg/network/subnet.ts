import { isIPv4 } from 'node:net';
import { Fault } from '#errors/fault.ts';

/** A range of IPv4 addresses. Addresses inside are counted from its first, the network's own. */
export type Subnet = {
  /** As in `10.88.0.0/16`. */
  readonly cidr: string;
  readonly first: number;
  readonly prefixLength: number;
};

const smallestPrefix = 8;
/** Two addresses are left in a /30: one for the gateway, one for a pod. */
const largestPrefix = 30;

/** The subnet that `cidr` names; an `invalid-argument` Fault with the reason when pods cannot use it. */
export function parseSubnet(cidr: string): Subnet {
  const [address = '', length = ''] = cidr.split('/');
  const prefixLength = Number(length);
  const refuse = (reason: string): never => {
    throw new Fault('invalid-argument', `use subnet "${cidr}": ${reason}`);
  };
  if (!isIPv4(address) || !/^\d+$/.test(length))
    return refuse('not an IPv4 range like 10.88.0.0/16');
  if (prefixLength < smallestPrefix || prefixLength > largestPrefix) {
    return refuse(`its prefix length must be from ${smallestPrefix} to ${largestPrefix}`);
  }
  const subnet = subnetAround(address, prefixLength);
  return subnet.cidr === cidr ? subnet : refuse(`it begins inside of ${subnet.cidr}`);
}

/** The subnet of this size that holds `address`. */
export function subnetAround(address: string, prefixLength: number): Subnet {
  const size = 2 ** (32 - prefixLength);
  const first = Math.floor(numberOf(address) / size) * size;
  return { cidr: `${dotted(first)}/${prefixLength}`, first, prefixLength };
}

/** Its first usable address, which the bridge has. */
export function gatewayOf(subnet: Subnet): string {
  return dotted(subnet.first + 1);
}

/** How many pods have room: all but the network's own address, the gateway's and the broadcast. */
export function podCapacity(subnet: Subnet): number {
  return 2 ** (32 - subnet.prefixLength) - 3;
}

/** The address of the pod's place `index`, from 0 to podCapacity() - 1. */
export function podAddress(subnet: Subnet, index: number): string {
  return dotted(subnet.first + 2 + index);
}

/** Whether some address is in both. */
export function overlap(one: Subnet, other: Subnet): boolean {
  const shared = 2 ** (32 - Math.min(one.prefixLength, other.prefixLength));
  return Math.floor(one.first / shared) === Math.floor(other.first / shared);
}

/** A MAC that belongs to the address, locally administered: who gets the address next has it, too. */
export function macOf(address: string): string {
  return `02:47:${Buffer.from(address.split('.').map(Number)).toString('hex').match(/../g)?.join(':')}`;
}

function numberOf(address: string): number {
  return Buffer.from(address.split('.').map(Number)).readUInt32BE();
}

function dotted(address: number): string {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(address);
  return bytes.join('.');
}
