import { faultCode, Fault } from '#errors/fault.ts';
import type { SystemThread } from '#linux/system-thread.ts';
import type { Log } from '#log/log.ts';
import type { Database } from '#store/database.ts';
import { KeyedLock } from '#store/keyed-lock.ts';
import { AddressBook, isHostInterface } from './address-book.ts';
import type { PodAddress } from './address-table.ts';
import { type HostPort, hostPortsOf } from './host-port.ts';
import { openNft } from './nft.ts';
import { type Made, PodBridge, type Readiness } from './pod-bridge.ts';
import { PodRules } from './pod-rules.ts';
import { parseSubnet } from './subnet.ts';

export type NetworkConfig = {
  /** At most 15 characters. Daemons on one node need bridges and subnets of their own. */
  readonly bridge: string;
  /** IPv4, as in `10.88.0.0/16`. */
  readonly subnet: string;
  /** In bytes; absent for that of the link by which the host reaches the world. */
  readonly mtu?: number;
};

export type PodNetworkOptions = {
  readonly config: NetworkConfig;
  readonly database: Database;
  readonly thread: SystemThread;
  readonly log: Log;
  /** The nft(8) program. */
  readonly nft: string;
};

type PodToAdd = {
  readonly id: string;
  /** Where its network namespace is pinned. */
  readonly netnsPath: string;
  readonly portMappings?: readonly HostPort[];
};

/** The network of the node's pods: a bridge, an address for each, and masquerade towards the world. */
export type PodNetwork = {
  /**
   * Connects the pod's network namespace. What it holds is recorded before it is made. A repeated call
   * connects it anew, with the same address. `resource-exhausted` when the subnet is full,
   * `already-exists` when another pod has one of the host ports.
   */
  addPod(pod: PodToAdd): Promise<PodAddress>;
  /**
   * Takes the pod off the network and gives back its address and ports. Idempotent. The interface in
   * the pod goes with the network namespace, which is the caller's.
   */
  removePod(id: string): Promise<void>;
  addressOf(id: string): PodAddress | undefined;
  /**
   * The latest finding. Each call has it looked after again, in the background: what is missing of a
   * network in use is made again.
   */
  readiness(): Readiness;
  /** After a restart: takes back what belongs to none of `owners`, and heals the network of the rest. */
  reconcile(owners: ReadonlySet<string>): Promise<void>;
  /** Takes away the bridge and the rules, unless a pod still holds an address. */
  close(): Promise<void>;
};

/** Opens the network. Where no pod is on it yet, nothing is made before the first one comes. */
export async function openPodNetwork(options: PodNetworkOptions): Promise<PodNetwork> {
  const { config, database, thread, log } = options;
  const subnet = parseSubnet(config.subnet);
  const name = parseBridgeName(config.bridge);
  const book = new AddressBook(database, subnet);
  const nft = openNft(options.nft);
  const rules = new PodRules({ bridge: name, subnet: subnet.cidr }, { nft, thread, book });
  const bridge = new PodBridge(
    { name, subnet, mtu: config.mtu },
    { thread, nft, rules, book, log },
  );
  const parts: Parts = { thread, book, bridge, rules, bridgeName: name, locks: new KeyedLock() };
  await bridge.refresh();

  return {
    addPod: (pod) => addPod(parts, pod),
    removePod: (id) => removePod(parts, id),
    addressOf: (id) => book.find(id)?.place,
    readiness: () => {
      void bridge.refresh();
      return bridge.readiness;
    },
    reconcile: (owners) => reconcile(parts, owners),
    close: async () => {
      await bridge.settled();
      if (book.all().length === 0) await bridge.remove();
    },
  };
}

type Parts = {
  readonly thread: SystemThread;
  readonly book: AddressBook;
  readonly bridge: PodBridge;
  readonly rules: PodRules;
  readonly bridgeName: string;
  readonly locks: KeyedLock<string>;
};

async function addPod(parts: Parts, pod: PodToAdd): Promise<PodAddress> {
  const { book, bridge, rules, locks } = parts;
  using _held = await locks.hold(pod.id);
  try {
    const ports = hostPortsOf(pod.portMappings ?? []);
    const made = bridge.ensure();
    const { mtu } = await made;
    const holding = book.find(pod.id) ?? book.reserve(pod.id, ports, mtu);
    await connect(parts, { netnsPath: pod.netnsPath, ...holding.place }, made);
    await rules.openPorts(holding);
    return holding.place;
  } catch (cause) {
    throw new Fault(faultCode(cause), `connect pod "${pod.id}" to the network`, { cause });
  }
}

/** Makes the bridge again when somebody deleted it. */
async function connect(
  { thread, bridge }: Parts,
  place: PodAddress & { readonly netnsPath: string },
  made: Promise<Made>,
): Promise<void> {
  const { bridgeIndex } = await made;
  try {
    await thread.run('connectPod', { ...place, bridgeIndex });
  } catch (error) {
    if (faultCode(error) !== 'not-found') throw error;
    const anew = await bridge.remake(made);
    await thread.run('connectPod', { ...place, bridgeIndex: anew.bridgeIndex });
  }
}

async function removePod({ thread, book, rules, locks }: Parts, id: string): Promise<void> {
  using _held = await locks.hold(id);
  const holding = book.find(id);
  if (holding === undefined) return;
  try {
    // The kernel may keep the pair for a while yet; whoever gets the address next must not notice.
    await thread.run('stopLink', holding.place.hostInterface);
    await rules.release(holding);
  } catch (cause) {
    throw new Fault(faultCode(cause), `take pod "${id}" off the network`, { cause });
  }
}

async function reconcile(parts: Parts, owners: ReadonlySet<string>): Promise<void> {
  const { thread, book, bridge, bridgeName } = parts;
  const strangers = book.all().filter(({ id }) => !owners.has(id));
  for (const { id } of strangers) await removePod(parts, id);

  const { links } = await thread.run('listHostNetwork', undefined);
  const bridgeIndex = links.find(({ name }) => name === bridgeName)?.index;
  const held = new Set(book.all().map(({ place }) => place.hostInterface));
  const orphans = links
    .filter((link) => bridgeIndex !== undefined && link.bridgeIndex === bridgeIndex)
    .map(({ name }) => name)
    .filter((name) => isHostInterface(name) && !held.has(name));
  await thread.run('deleteLinks', orphans);
  if (held.size > 0) await bridge.ensure();
}

function parseBridgeName(name: string): string {
  if (/^[a-zA-Z][a-zA-Z0-9_-]{0,14}$/.test(name)) return name;
  throw new Fault('invalid-argument', `use bridge "${name}": not a name for a network interface`);
}
