import { closeSync, openSync } from 'node:fs';
import { Fault, isErrno } from '#errors/fault.ts';
import { type HomeNamespaces, insideNetns } from '#linux/namespace-home.ts';
import { replaceSysctl } from '#linux/namespace-sysctl.ts';
import { newAddress } from './address.ts';
import { deleteLinks, getLink, makePort } from './bridge.ts';
import { listLinks } from './link.ts';
import { newVethPair, setUp } from './link-request.ts';
import { newDefaultRoute } from './route.ts';
import { NetlinkSocket } from './socket.ts';

/** How one pod is to be connected: a port of a bridge outside, an interface with addresses inside. */
export type PodLink = {
  readonly bridgeIndex: number;
  readonly netnsPath: string;
  readonly hostInterface: string;
  readonly interfaceName: string;
  readonly mac: string;
  readonly mtu: number;
  readonly addresses: readonly PodLinkAddress[];
};

/** An address with the router that leads beyond its subnet. */
export type PodLinkAddress = {
  readonly address: string;
  readonly prefixLength: number;
  readonly gateway: string;
};

/**
 * Connects a pod's network namespace to a bridge: a veth pair, loopback and the pod's end up, its
 * addresses and default routes. What an attempt that was cut short left under the same host
 * interface is replaced. `not-found` when there is no such bridge.
 */
export function connectPod(home: HomeNamespaces, host: NetlinkSocket, pod: PodLink): void {
  const netnsFd = openSync(pod.netnsPath, 'r');
  try {
    using inside = insideNetns(home, netnsFd, () => {
      settleIpv6();
      return new NetlinkSocket();
    });
    const peer = { name: pod.interfaceName, mac: pod.mac, netnsFd };
    const { hostInterface: name, bridgeIndex, mtu } = pod;
    const pair = newVethPair({ name, bridgeIndex, mtu, peer });
    replacing(host, name, () => makePort(host, name, pair));
    configureInside(inside, pod);
  } catch (error) {
    deleteLinks(host, [pod.hostInterface]);
    refuseMissingBridge(host, pod.bridgeIndex);
    throw error;
  } finally {
    closeSync(netnsFd);
  }
}

/**
 * What the interface to come inherits, where the pod's own sysctls say nothing else: its addresses are
 * usable at once, and no neighbour on the bridge can pretend to be its router.
 */
function settleIpv6(): void {
  for (const name of ['accept_dad', 'accept_ra']) {
    replaceSysctl(`net/ipv6/conf/default/${name}`, '1', '0');
  }
}

function replacing(host: NetlinkSocket, hostInterface: string, make: () => void): void {
  try {
    make();
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    deleteLinks(host, [hostInterface]);
    make();
  }
}

/** Looked for only after a failure: the kernel calls a missing one an invalid argument. */
function refuseMissingBridge(host: NetlinkSocket, index: number): void {
  if (listLinks(host).some((link) => link.index === index)) return;
  throw new Fault('not-found', `find the bridge with index ${index}`);
}

function configureInside(inside: NetlinkSocket, { interfaceName, addresses }: PodLink): void {
  const { index: linkIndex } = getLink(inside, interfaceName);
  inside.request(
    setUp('lo'),
    setUp(interfaceName),
    ...addresses.map((each) => newAddress({ linkIndex, ...each })),
    ...addresses.map(({ gateway }) => newDefaultRoute(gateway)),
  );
}
