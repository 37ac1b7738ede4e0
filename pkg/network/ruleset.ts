import { anyAddress, type HostPort } from './host-port.ts';
import type { Holding } from './address-table.ts';

/**
 * The bridge network's rules, in the language of nft(8): one table, named after the bridge, so that
 * daemons with other bridges have tables of their own. Each function returns one atomic change.
 *
 * What a table of ours cannot do: accept for forwarding what another one drops. Base chains of a hook
 * are all asked, and a single drop wins (nft(8), "accept"), so a firewall with a forward policy of
 * drop must itself be told to accept the bridge.
 */
export type NetworkRules = {
  readonly bridge: string;
  /** The pods' addresses, as in `10.88.0.0/16`. */
  readonly subnet: string;
};

/** The name of the table, which is of the family `ip`. */
export function tableName(bridge: string): string {
  return `gantry-${bridge}`;
}

/** Marks connections that pods open to the host itself, which may lead back to a pod by a host port. */
const fromPodToHost = '0x40000000';

/** All of the table, in place of what was there. */
export function wholeTable(rules: NetworkRules, holdings: readonly Holding[]): string {
  const { bridge, subnet } = rules;
  const table = fullName(rules);
  return `add table ${table}
delete table ${table}
table ${table} {
  map ports-of-address { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; }
  map ports-of-host { type inet_proto . inet_service : ipv4_addr . inet_service; }

  chain host-ports {
    dnat ip to ip protocol . ip daddr . th dport map @ports-of-address
    dnat ip to ip protocol . th dport map @ports-of-host
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
    ip saddr ${subnet} ip daddr != { ${subnet}, 224.0.0.0/4 } masquerade fully-random
    # A pod that reaches a pod by a host port must get the answer from the host, not from its neighbour.
    ip saddr ${subnet} ip daddr ${subnet} ct status dnat ct mark and ${fromPodToHost} == ${fromPodToHost} masquerade fully-random
    oifname "${bridge}" ip saddr 127.0.0.0/8 masquerade fully-random
  }
  chain input {
    # The bridge routes loopback addresses, for host ports on 127.0.0.1: answers only may come in.
    type filter hook input priority 0; policy accept;
    iifname "${bridge}" ip daddr 127.0.0.0/8 ct state != { established, related } drop
  }
}
${holdings.map((holding) => addPorts(rules, holding)).join('')}`;
}

/** Leads the pod's host ports to it, also where they led to somewhere before. */
export function openPorts(rules: NetworkRules, holding: Holding): string {
  return closePorts(rules, holding) + addPorts(rules, holding);
}

/** Closes the pod's host ports, whether they are open or not. */
export function closePorts(rules: NetworkRules, { ports, place }: Holding): string {
  return ports
    .map((port) => element(port, place.address))
    .map(
      ({ map, key, value }) =>
        `add element ${fullName(rules)} ${map} { ${key} : ${value} }\n` +
        `delete element ${fullName(rules)} ${map} { ${key} }\n`,
    )
    .join('');
}

/** Succeeds also when there is no table. */
export function noTable(rules: NetworkRules): string {
  const table = fullName(rules);
  return `add table ${table}\ndelete table ${table}\n`;
}

function addPorts(rules: NetworkRules, { ports, place }: Holding): string {
  return ports
    .map((port) => element(port, place.address))
    .map(({ map, key, value }) => `add element ${fullName(rules)} ${map} { ${key} : ${value} }\n`)
    .join('');
}

function element(port: HostPort, address: string): { map: string; key: string; value: string } {
  const { protocol, hostIp, hostPort, containerPort } = port;
  const value = `${address} . ${containerPort}`;
  return hostIp === anyAddress
    ? { map: 'ports-of-host', key: `${protocol} . ${hostPort}`, value }
    : { map: 'ports-of-address', key: `${protocol} . ${hostIp} . ${hostPort}`, value };
}

function fullName({ bridge }: NetworkRules): string {
  return `ip ${tableName(bridge)}`;
}
