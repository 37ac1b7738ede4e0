import { closeSync, openSync } from 'node:fs';
import { Fault, isErrno } from '#errors/fault.ts';
import { type HomeNamespaces, insideNetns } from '#linux/namespace-home.ts';
import { newAddress } from './address.ts';
import { deleteLinks, getLink, makePort } from './bridge.ts';
import { listLinks } from './link.ts';
import { newVethPair, setUp } from './link-request.ts';
import { newDefaultRoute } from './route.ts';
import { NetlinkSocket } from './socket.ts';

/** How one pod is to be connected: a port of a bridge outside, an interface with an address inside. */
export type PodLink = {
  readonly bridgeIndex: number;
  readonly netnsPath: string;
  readonly hostInterface: string;
  readonly interfaceName: string;
  readonly mac: string;
  readonly mtu: number;
  readonly address: string;
  readonly prefixLength: number;
  readonly gateway: string;
};

/**
 * Connects a pod's network namespace to a bridge: a veth pair, loopback and the pod's end up, its
 * address and its default route. What an attempt that was cut short left under the same host
 * interface is replaced. `not-found` when there is no such bridge.
 */
export function connectPod(home: HomeNamespaces, host: NetlinkSocket, pod: PodLink): void {
  const netnsFd = openSync(pod.netnsPath, 'r');
  try {
    using inside = insideNetns(home, netnsFd, () => new NetlinkSocket());
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

function configureInside(inside: NetlinkSocket, pod: PodLink): void {
  const { index } = getLink(inside, pod.interfaceName);
  const { address, prefixLength } = pod;
  inside.request(
    setUp('lo'),
    newAddress({ linkIndex: index, address, prefixLength }),
    setUp(pod.interfaceName),
    newDefaultRoute(pod.gateway),
  );
}
