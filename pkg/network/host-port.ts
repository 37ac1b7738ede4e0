import { isIP, isIPv4 } from 'node:net';
import { Fault } from '#errors/fault.ts';

export const protocols = ['tcp', 'udp', 'sctp'] as const;

/** A port of the host that leads to one of a pod's. */
export type HostPort = {
  readonly protocol: (typeof protocols)[number];
  readonly containerPort: number;
  /** 0 asks for none. */
  readonly hostPort: number;
  /** Empty, `0.0.0.0` or `::` for all of the host's addresses. */
  readonly hostIp: string;
};

export const anyAddress = '0.0.0.0';

/**
 * The mappings that do ask for a port of the host, with `0.0.0.0` for all addresses. They are checked,
 * for they become part of a ruleset.
 */
export function hostPortsOf(mappings: readonly HostPort[]): HostPort[] {
  return mappings
    .filter(({ hostPort }) => hostPort !== 0)
    .map((mapping) => {
      const hostIp = ['', '::', anyAddress].includes(mapping.hostIp) ? anyAddress : mapping.hostIp;
      const port = { ...mapping, hostIp };
      if (isIP(hostIp) === 6) {
        throw new Fault(
          'unimplemented',
          `map host port ${nameOf(port)}: the pod network is IPv4 only`,
        );
      }
      if (!isIPv4(hostIp) || !isPort(port.hostPort) || !isPort(port.containerPort)) {
        throw new Fault('invalid-argument', `map host port ${nameOf(port)}: malformed`);
      }
      return port;
    });
}

/** Whether no host could tell the two apart. */
export function collide(one: HostPort, other: HostPort): boolean {
  const sameAddress =
    one.hostIp === other.hostIp || one.hostIp === anyAddress || other.hostIp === anyAddress;
  return one.protocol === other.protocol && one.hostPort === other.hostPort && sameAddress;
}

/** As people write it: `192.0.2.2:8080/tcp`. */
export function nameOf({ hostIp, hostPort, protocol }: HostPort): string {
  return `${hostIp === anyAddress ? '' : `${hostIp}:`}${hostPort}/${protocol}`;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port < 65_536;
}
