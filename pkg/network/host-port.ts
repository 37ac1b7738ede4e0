import { isIP } from 'node:net';
import { Fault } from '#errors/fault.ts';
import { familyOf, ipBytes, ipText, unspecified } from '#linux/netlink/ip.ts';
import type { PodIp } from './pool.ts';

export const protocols = ['tcp', 'udp', 'sctp'] as const;

/** A port of the host that leads to one of a pod's. */
export type HostPort = {
  readonly protocol: (typeof protocols)[number];
  readonly containerPort: number;
  /** 0 asks for none. */
  readonly hostPort: number;
  /** Empty for all of the host's addresses, `0.0.0.0` or `::` for all of one family. */
  readonly hostIp: string;
};

/** One family's part of a host port: which addresses of the host lead to which of the pod's. */
export type PortPath = {
  readonly protocol: HostPort['protocol'];
  readonly family: 4 | 6;
  /** Undefined for all of the host's addresses of the family. */
  readonly hostAddress: string | undefined;
  readonly hostPort: number;
  readonly podAddress: string;
  readonly containerPort: number;
};

/**
 * The mappings that do ask for a port of the host, with addresses in the form that everybody writes.
 * They are checked, for they become part of a ruleset.
 */
export function hostPortsOf(mappings: readonly HostPort[]): HostPort[] {
  return mappings.filter(({ hostPort }) => hostPort !== 0).map(checked);
}

/** Refuses ports on addresses of a family that the pod has no address of. */
export function refuseMissingFamily(
  ports: readonly HostPort[],
  families: readonly (4 | 6)[],
): void {
  for (const port of ports) {
    const family = familyIn(port);
    if (family === undefined || families.includes(family)) continue;
    const reason = `pods have no address of IPv${family} here`;
    throw new Fault('failed-precondition', `map host port ${nameOf(port)}: ${reason}`);
  }
}

/** The ways to the pod that a host port opens: one, or one of each family. */
export function pathsOf(port: HostPort, addresses: readonly PodIp[]): PortPath[] {
  const { protocol, hostPort, containerPort, hostIp } = port;
  const wanted = familyIn(port);
  return addresses
    .map(({ address }) => ({ address, family: familyOf(address) }))
    .filter(({ family }) => wanted === undefined || wanted === family)
    .map(({ address, family }) => ({
      protocol,
      family,
      hostAddress: hostIp === '' || hostIp === unspecified(family) ? undefined : hostIp,
      hostPort,
      podAddress: address,
      containerPort,
    }));
}

/** Whether no host could tell the two apart. */
export function collide(one: HostPort, other: HostPort): boolean {
  const isSamePort = one.protocol === other.protocol && one.hostPort === other.hostPort;
  return isSamePort && shareAddress(one.hostIp, other.hostIp);
}

/** Whether some address of the host is meant by both. */
export function shareAddress(one: string, other: string): boolean {
  if (one === '' || other === '' || one === other) return true;
  const family = familyOf(one);
  if (family !== familyOf(other)) return false;
  return one === unspecified(family) || other === unspecified(family);
}

/** As people write it: `192.0.2.2:8080/tcp`, `[fd00::1]:8080/tcp`. */
export function nameOf({ hostIp, hostPort, protocol }: HostPort): string {
  const address = hostIp.includes(':') ? `[${hostIp}]:` : `${hostIp}:`;
  return `${hostIp === '' ? '' : address}${hostPort}/${protocol}`;
}

function checked(mapping: HostPort): HostPort {
  const { hostIp, hostPort, containerPort } = mapping;
  const isAddress = hostIp === '' || (isIP(hostIp) !== 0 && !hostIp.includes('%'));
  if (isAddress && isPort(hostPort) && isPort(containerPort)) {
    return { ...mapping, hostIp: hostIp === '' ? '' : ipText(plainBytes(hostIp)) };
  }
  throw new Fault('invalid-argument', `map host port ${nameOf(mapping)}: malformed`);
}

/** Of an IPv4 address in the clothes of IPv6 (`::ffff:192.0.2.1`), those of IPv4: no packet has others. */
function plainBytes(address: string): Buffer {
  const bytes = ipBytes(address);
  const isMapped = bytes.subarray(0, 12).equals(mappedPrefix);
  return isMapped ? bytes.subarray(12) : bytes;
}

const mappedPrefix = ipBytes('::ffff:0.0.0.0').subarray(0, 12);

function familyIn({ hostIp }: HostPort): 4 | 6 | undefined {
  return hostIp === '' ? undefined : familyOf(hostIp);
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port < 65_536;
}
