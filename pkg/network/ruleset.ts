import type { Holding } from './address-table.ts';
import { pathsOf, type PortPath } from './host-port.ts';
import type { Subnet } from './subnet.ts';

/**
 * The bridge network's rules, in the language of nft(8): one table, named after the bridge, so that
 * daemons with other bridges have tables of their own. Each function returns one atomic change.
 *
 * What a table of ours cannot do: accept for forwarding what another one drops. Base chains of a hook
 * are all asked, and a single drop wins (nft(8), "accept"), so a firewall with a forward policy of
 * drop must itself be told to accept the bridge.
 */
export type Rules = {
  /** The link whose name the table has. */
  readonly bridge: string;
  /** All that pods have addresses of. */
  readonly subnets: readonly Subnet[];
  readonly holdings: readonly Holding[];
};

/** The name of the table, which is of the family `inet`. */
export function tableName(bridge: string): string {
  return `gantry-${bridge}`;
}

/** Marks connections that pods open to the host itself, which may lead back to a pod by a host port. */
const fromPodToHost = '0x40000000';

const perFamily = [
  {
    family: 4,
    ip: 'ip',
    protocol: 'ip protocol',
    multicast: '224.0.0.0/4',
    loopback: '127.0.0.0/8',
  },
  { family: 6, ip: 'ip6', protocol: 'meta l4proto', multicast: 'ff00::/8', loopback: '::1' },
] as const;

/** An element of one of the table's maps, in the words of nft: what comes in, and where it goes. */
export type PortElement = { readonly map: string; readonly key: string; readonly value: string };

/** All of the table, in place of what was there. */
export function wholeTable({ bridge, subnets, holdings }: Rules): string {
  const table = fullName(bridge);
  return `${noTable(bridge)}table ${table} {
${lines(1, ({ family }) => [
  podsSet(family, subnets),
  `map ports-of-address-${family} { type inet_proto . ipv${family}_addr . inet_service : ipv${family}_addr . inet_service; counter; }`,
  `map ports-of-host-${family} { type inet_proto . inet_service : ipv${family}_addr . inet_service; counter; }`,
])}
  chain wire {
    # The bridge routes loopback addresses, for host ports on 127.0.0.1. No packet brings one along.
    type filter hook prerouting priority -300; policy accept;
    iifname "${bridge}" ip saddr 127.0.0.0/8 drop
    iifname "${bridge}" ip daddr 127.0.0.0/8 drop
  }
  chain host-ports {
${lines(2, ({ family, ip, protocol }) => [
  `dnat ${ip} to ${protocol} . ${ip} daddr . th dport map @ports-of-address-${family}`,
  `dnat ${ip} to ${protocol} . th dport map @ports-of-host-${family}`,
])}
  }
  chain prerouting {
    type nat hook prerouting priority -100; policy accept;
    iifname "${bridge}" fib daddr type local ct mark set ct mark or ${fromPodToHost}
    fib daddr type local jump host-ports
  }
  chain output {
    type nat hook output priority -100; policy accept;
    fib daddr type local jump host-ports
  }
  chain postrouting {
    type nat hook postrouting priority 100; policy accept;
    # A pod that reaches a pod by a host port must get the answer from the host, not from its neighbour.
${lines(2, ({ family, ip, multicast, loopback }) => [
  `${ip} saddr @pods-${family} ${ip} daddr != @pods-${family} ${ip} daddr != ${multicast} counter masquerade fully-random`,
  `${ip} saddr @pods-${family} ${ip} daddr @pods-${family} ct status dnat ct mark and ${fromPodToHost} == ${fromPodToHost} counter masquerade fully-random`,
  `oifname "${bridge}" ${ip} saddr ${loopback} counter masquerade fully-random`,
])}
  }
}
${holdings.map((holding) => addPorts(bridge, holding)).join('')}`;
}

/** Leads the pod's host ports to it, also where they led to somewhere before. */
export function openPorts(bridge: string, holding: Holding): string {
  return closePorts(bridge, holding) + addPorts(bridge, holding);
}

/** Closes the pod's host ports, whether they are open or not. */
export function closePorts(bridge: string, holding: Holding): string {
  const table = fullName(bridge);
  return elementsOf(holding)
    .map(
      ({ map, key, value }) =>
        `add element ${table} ${map} { ${key} : ${value} }\n` +
        `delete element ${table} ${map} { ${key} }\n`,
    )
    .join('');
}

/** Succeeds also when there is no table. */
export function noTable(bridge: string): string {
  const table = fullName(bridge);
  return `add table ${table}\ndelete table ${table}\n`;
}

function addPorts(bridge: string, holding: Holding): string {
  return elementsOf(holding)
    .map(({ map, key, value }) => `add element ${fullName(bridge)} ${map} { ${key} : ${value} }\n`)
    .join('');
}

/** The elements of the maps that lead a pod's host ports to it. */
export function elementsOf({ ports, place }: Pick<Holding, 'ports' | 'place'>): PortElement[] {
  return ports.flatMap((port) => pathsOf(port, place.addresses)).map(elementOf);
}

/** An element as an operator may read it. */
export function nameOfElement({ map, key, value }: PortElement): string {
  return `${map}: ${key} to ${value}`;
}

/** The element that opens one way to a pod. */
export function elementOf(path: PortPath): PortElement {
  const { protocol, family, hostAddress, hostPort, podAddress, containerPort } = path;
  const value = `${podAddress} . ${containerPort}`;
  return hostAddress === undefined
    ? { map: `ports-of-host-${family}`, key: `${protocol} . ${hostPort}`, value }
    : {
        map: `ports-of-address-${family}`,
        key: `${protocol} . ${hostAddress} . ${hostPort}`,
        value,
      };
}

function podsSet(family: 4 | 6, subnets: readonly Subnet[]): string {
  const ranges = subnets.filter((each) => each.family === family).map(({ cidr }) => cidr);
  const elements = ranges.length === 0 ? '' : ` elements = { ${ranges.join(', ')} };`;
  return `set pods-${family} { type ipv${family}_addr; flags interval; auto-merge;${elements} }`;
}

function lines(indent: number, of: (each: (typeof perFamily)[number]) => string[]): string {
  return perFamily
    .flatMap(of)
    .map((line) => '  '.repeat(indent) + line)
    .join('\n');
}

function fullName(bridge: string): string {
  return `inet ${tableName(bridge)}`;
}
