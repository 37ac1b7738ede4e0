import { unmountUnder } from './mount.ts';
import { makeNamespaces, type NamespaceRequest, unpin } from './namespace-create.ts';
import type { HomeNamespaces } from './namespace-home.ts';
import { readSysctl, setIfThere } from './namespace-sysctl.ts';
import { listAddresses } from './netlink/address.ts';
import {
  type Bridge,
  deleteLinks,
  disconnectPort,
  ensureBridge,
  getLink,
  joinBridge,
  viewLink,
} from './netlink/bridge.ts';
import { type Connections, forgetConnections, type IpProtocol } from './netlink/conntrack.ts';
import { listLinks } from './netlink/link.ts';
import { listListeners } from './netlink/listener.ts';
import { setLoopbackUp } from './netlink/loopback-up.ts';
import { listLinkCounters } from './netlink/link-counters.ts';
import { viewNamespaces } from './netlink/namespace-view.ts';
import { countNftRules, hasNftTable } from './netlink/nftables.ts';
import { connectPod, type PodLink } from './netlink/pod-link.ts';
import { listRoutes, newLoopbackRoute } from './netlink/route.ts';
import type { NetlinkSocket } from './netlink/socket.ts';
import { type IpFamily, openTcpSocket } from './netns-socket.ts';
import { ownerOfAbstractSocket, ownerOfSocket } from './socket-owner.ts';

/**
 * What the system thread can do: system calls that block, or that act on the calling thread. Each
 * operation runs to its end before the next one begins. It takes one plain value and returns one.
 * `host` is a socket in the host's network namespace.
 */
export function createOperations(home: HomeNamespaces, host: NetlinkSocket) {
  return {
    createNamespaces: (request: NamespaceRequest) => makeNamespaces(home, request),
    removeNamespace: (path: string) => unpin(path),
    unmountUnder: (dirs: readonly string[]) => unmountUnder(dirs),
    readSysctls: (paths: readonly string[]) => paths.map(readSysctl),
    setSysctl: ({ path, value }: { readonly path: string; readonly value: string }) =>
      setIfThere(path, value),
    ensureBridge: (bridge: Bridge) => ensureBridge(host, bridge),
    joinBridge: (ports: Parameters<typeof joinBridge>[1]) => joinBridge(host, ports),
    connectPod: (pod: PodLink) => connectPod(home, host, pod),
    setLoopbackUp: (netnsPath: string) => setLoopbackUp(home, netnsPath),
    disconnectPort: (port: Parameters<typeof disconnectPort>[1]) => disconnectPort(host, port),
    routeLoopbackV6: (link: string) =>
      void host.request(newLoopbackRoute(getLink(host, link).index)),
    forgetConnections: (which: readonly Connections[]) => which.forEach(forgetConnections),
    listListeners: (wanted: { readonly protocol: IpProtocol; readonly port: number }) =>
      listListeners(wanted.protocol, wanted.port),
    ownerOfSocket: (inode: number) => ownerOfSocket(inode),
    ownerOfAbstractSocket: (name: string) => ownerOfAbstractSocket(name),
    deleteLinks: (links: readonly string[]) => deleteLinks(host, links),
    openTcpSocket: (wanted: { readonly netnsPath: string; readonly family: IpFamily }) =>
      openTcpSocket(home, wanted),
    listLinkCounters: (netnsPaths: readonly string[]) => listLinkCounters(host, netnsPaths),
    listAddresses: (_: void) => listAddresses(host),
    viewNamespaces: (paths: readonly string[]) => viewNamespaces(home, host, paths),
    viewLink: (name: string) => viewLink(host, name),
    hasNftTable: (name: string) => hasNftTable(name),
    countNftRules: (table: string) => countNftRules(table),
    listHostNetwork: (_: void) => ({
      links: listLinks(host),
      addresses: listAddresses(host),
      routes: listRoutes(host),
    }),
  };
}

type Implementation = ReturnType<typeof createOperations>;

/** From the name of each operation to its argument and its result. */
export type Operations = {
  [Name in keyof Implementation]: {
    readonly argument: Parameters<Implementation[Name]>[0];
    readonly result: ReturnType<Implementation[Name]>;
  };
};
