import type { PodNetView } from '#admin/net-json.ts';
import type { InterfaceView, RouteView } from '#network/pod-view.ts';
import type { PortView } from '#network/port-view.ts';
import { type Command, ExitError } from './command.ts';
import { printJson } from './output.ts';
import { formatBytes } from './sizes.ts';
import { printable, styled } from './style.ts';
import { alignedLines } from './table.ts';

export const net: Command = {
  synopsis: '[POD]...',
  details: `The network of pods as the kernel has it: interfaces, the other end of each on the host, addresses,
routes, what has gone through, and the ports of the host that lead to the pod, with how many
connections each has led since its rule was made.

Of a POD, the name or the beginning of the id is enough; without any, all are told of.
`,
  flags: {},
  operands: { min: 0, max: Infinity },
  run: async ({ admin, operands, isJson }) => {
    const { pods } = await admin.ask<{ readonly pods: readonly PodNetView[] }>({
      method: 'GET',
      path: '/v1/net',
    });
    const shown = operands.length === 0 ? pods : operands.flatMap((word) => podsNamed(pods, word));
    if (isJson) printJson(shown);
    else process.stdout.write(shown.map(describePod).join('\n'));
  },
};

/** At least one: several are meant by the beginning that their ids share. */
function podsNamed(pods: readonly PodNetView[], word: string): readonly PodNetView[] {
  const named = pods.filter(({ id, namespace, name }) => {
    return word === name || word === `${namespace}/${name}` || id.startsWith(word);
  });
  if (named.length > 0) return named;
  throw new ExitError('failed', `there is no pod "${word}" with a network of its own`);
}

function describePod({ id, name, namespace, network, ports }: PodNetView): string {
  const title = `${styled('bold', printable(`${namespace}/${name}`))}   ${id.slice(0, 12)}`;
  if (network === undefined) return `${title}\n  ${styled('red', 'its namespace is gone')}\n`;
  const lines = [
    ...network.interfaces.flatMap(interfaceLines),
    ...alignedLines(network.routes.map(routeRow)),
    ...alignedLines(ports.map(portRow)),
  ];
  return [title, ...lines.map((line) => `  ${line}`), ''].join('\n');
}

function interfaceLines(view: InterfaceView): string[] {
  const { name, peer, bridge, mac, mtu, isUp, addresses, received, sent } = view;
  const cable = [peer, bridge && `on ${bridge}`].filter(Boolean).join(' ');
  const state = isUp ? styled('green', 'up') : styled('red', 'down');
  const traffic = (way: string, { bytes, packets, errors, dropped }: typeof sent): string => {
    const trouble = errors + dropped === 0 ? '' : `, ${errors} errors, ${dropped} dropped`;
    return `${way} ${formatBytes(bytes)} in ${packets} packets${trouble}`;
  };
  return [
    `${name} ${state}   ${cable === '' ? '' : `to ${cable}   `}${mac}   mtu ${mtu}`,
    ...addresses.map((address) => `  ${address}`),
    `  ${traffic('received', received)}; ${traffic('sent', sent)}`,
  ];
}

function routeRow({ destination, gateway, interface: link }: RouteView): string[] {
  const way = gateway === undefined ? [] : [`via ${gateway}`];
  return [`route ${destination}`, [...way, ...(link ? [`dev ${link}`] : [])].join(' ')];
}

function portRow(port: PortView): string[] {
  const { protocol, family, hostAddress, hostPort, podAddress, containerPort } = port;
  const host = endpoint(hostAddress ?? (family === 4 ? '0.0.0.0' : '::'), hostPort);
  return [`port ${host}/${protocol}`, `to ${endpoint(podAddress, containerPort)}`, stateOf(port)];
}

function stateOf({ rule, connections }: PortView): string {
  if (rule === 'missing') return styled('red', 'its rule is missing');
  return rule === 'unknown' ? 'its rule cannot be seen' : `${connections} connections`;
}

function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
