import type { Link } from '#linux/netlink/link.ts';
import type { NamespaceView } from '#linux/netlink/namespace-view.ts';
import type { Traffic } from '#linux/netlink/link-counters.ts';
import type { SystemThread } from '#linux/system-thread.ts';

/** The network of one pod as the kernel has it, whoever made it. */
export type PodNetworkView = {
  readonly interfaces: readonly InterfaceView[];
  readonly routes: readonly RouteView[];
};

export type InterfaceView = {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly isUp: boolean;
  /** With prefix lengths. */
  readonly addresses: readonly string[];
  /** The other end of its cable, on the host, and the bridge that that is on. */
  readonly peer: string | undefined;
  readonly bridge: string | undefined;
  readonly received: Traffic;
  readonly sent: Traffic;
};

export type RouteView = {
  /** `default`, or a range. */
  readonly destination: string;
  readonly gateway: string | undefined;
  readonly interface: string | undefined;
};

const nothing: Traffic = { bytes: 0, packets: 0, errors: 0, dropped: 0 };

/** Looks into each of the network namespaces; undefined for one that is gone. */
export async function viewPods(
  thread: SystemThread,
  netnsPaths: readonly string[],
): Promise<(PodNetworkView | undefined)[]> {
  const { links } = await thread.run('listHostNetwork', undefined);
  const views = await thread.run('viewNamespaces', netnsPaths);
  return views.map((view) => (view === undefined ? undefined : podView(view, links)));
}

function podView(view: NamespaceView, hostLinks: readonly Link[]): PodNetworkView {
  const nameOf = (index: number | undefined) =>
    view.links.find((link) => link.index === index)?.name;
  return {
    interfaces: view.links
      .filter(({ name }) => name !== 'lo')
      .map((link) => interfaceView(link, view, hostLinks)),
    routes: view.routes.map(({ destination, prefixLength, gateway, linkIndex }) => ({
      destination: prefixLength === 0 ? 'default' : `${destination}/${prefixLength}`,
      gateway,
      interface: nameOf(linkIndex),
    })),
  };
}

function interfaceView(
  { index, name, mac, mtu, isUp, peerIndex }: Link,
  { addresses, counters }: NamespaceView,
  hostLinks: readonly Link[],
): InterfaceView {
  const peer = hostLinks.find((link) => link.index === peerIndex && link.peerIndex === index);
  const bridge = hostLinks.find((link) => link.index === peer?.bridgeIndex);
  const counted = counters.find((each) => each.name === name);
  return {
    name,
    mac,
    mtu,
    isUp,
    addresses: addresses
      .filter(({ linkIndex }) => linkIndex === index)
      .map(({ address, prefixLength }) => `${address}/${prefixLength}`),
    peer: peer?.name,
    bridge: bridge?.name,
    received: counted?.received ?? nothing,
    sent: counted?.sent ?? nothing,
  };
}
