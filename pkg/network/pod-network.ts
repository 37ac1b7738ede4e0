import { faultCode, Fault } from '#errors/fault.ts';
import type { SystemThread } from '#linux/system-thread.ts';
import type { Log } from '#log/log.ts';
import type { Database } from '#store/database.ts';
import { KeyedLock } from '#store/keyed-lock.ts';
import { AddressBook, isHostInterface } from './address-book.ts';
import type { Holding, PodPlace } from './address-table.ts';
import { BridgeClaim } from './bridge-claim.ts';
import { type HostPort, hostPortsOf, refuseMissingFamily } from './host-port.ts';
import { HostSysctls, type Setting } from './host-sysctls.ts';
import { openNft } from './nft.ts';
import { type Made, PodBridge, type Readiness } from './pod-bridge.ts';
import { findOrphans, type NetworkFinding } from './orphans.ts';
import { PodRules } from './pod-rules.ts';
import { parsePool, type Pool } from './pool.ts';
import { refuseHeldPorts } from './port-holder.ts';
import { type PortView, viewPorts } from './port-view.ts';

export type NetworkConfig = {
  /** At most 15 characters. Daemons on one node need bridges and subnets of their own. */
  readonly bridge: string;
  /** As in `10.88.0.0/16` and `fd00:88::/64`. Pods get one address of each family that is there. */
  readonly subnets: readonly string[];
  /** In bytes; absent for that of the link by which the host reaches the world. */
  readonly mtu?: number;
};

export type PodNetworkOptions = {
  readonly config: NetworkConfig;
  readonly database: Database;
  readonly thread: SystemThread;
  readonly log: Log;
  /** The path of the nft(8) program, asked for each time; throws where there is none. */
  readonly nft: () => string;
};

type PodToAdd = {
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  /** Where its network namespace is pinned. */
  readonly netnsPath: string;
  readonly portMappings: readonly HostPort[];
};

/** The addresses that a pod has got, the primary one apart. */
type Connected = { readonly address: string; readonly additionalAddresses: readonly string[] };

/** The network of the node's pods: a bridge, addresses for each, and masquerade towards the world. */
export type PodNetwork = {
  /**
   * Connects the pod's network namespace. What it holds is recorded before it is made. A repeated call
   * connects it anew, with the same addresses. `resource-exhausted` when the subnets are full,
   * `already-exists` when another pod, or a program of the host, has one of the host ports.
   */
  addPod(pod: PodToAdd): Promise<Connected>;
  /**
   * Takes the pod off the network and gives back its addresses and ports. Idempotent. The interface in
   * the pod goes with the network namespace, which is the caller's.
   */
  removePod(id: string): Promise<void>;
  placeOf(id: string): PodPlace | undefined;
  /**
   * The latest finding. Each call has it looked after again, in the background: what is missing of a
   * network in use is made again.
   */
  readiness(): Readiness;
  /** Has what is missing of a network in use made again, in the background. */
  tend(): void;
  /** After a restart: takes back what belongs to none of `owners`, and heals the network of the rest. */
  reconcile(owners: ReadonlySet<string>): Promise<void>;
  /**
   * Takes away the bridge and the rules, and puts back the host's settings, which are returned: nothing
   * of the network stays. `failed-precondition` while pods are on it. The next pod has it made again.
   */
  undo(): Promise<readonly Setting[]>;
  /** What is left of pods that are gone, and what those that there are lack. */
  findOrphans(owners: ReadonlySet<string>): Promise<readonly NetworkFinding[]>;
  /** The ports of the host that lead to pods, by the pods' ids. */
  viewPorts(): Promise<ReadonlyMap<string, readonly PortView[]>>;
  /** Takes away the bridge and the rules, unless a pod still holds an address. */
  close(): Promise<void>;
};

/** Opens the network. Where no pod is on it yet, nothing is made before the first one comes. */
export async function openPodNetwork(options: PodNetworkOptions): Promise<PodNetwork> {
  const parts = openParts(options);
  const { book, bridge, claim } = parts;
  await bridge.refresh();
  return {
    addPod: (pod) => addPod(parts, pod),
    removePod: (id) => removePod(parts, id),
    placeOf: (id) => book.find(id)?.place,
    readiness: () => {
      void bridge.refresh();
      return bridge.readiness;
    },
    tend: () => {
      if (book.all().length > 0) void bridge.refresh();
    },
    reconcile: (owners) => reconcile(parts, owners),
    undo: () => undo(parts),
    findOrphans: (owners) =>
      findOrphans({ ...parts, removePod: (id) => removePod(parts, id) }, owners),
    viewPorts: () => viewPorts(parts),
    close: async () => {
      await bridge.settled();
      if (book.all().length === 0 && claim.isHeld) await bridge.remove();
      claim.release();
    },
  };
}

type Parts = {
  readonly thread: SystemThread;
  readonly pool: Pool;
  readonly book: AddressBook;
  readonly bridge: PodBridge;
  readonly claim: BridgeClaim;
  readonly rules: PodRules;
  readonly sysctls: HostSysctls;
  readonly bridgeName: string;
  readonly locks: KeyedLock<string>;
};

function openParts({ config, database, thread, log, nft: findNft }: PodNetworkOptions): Parts {
  const pool = parsePool(config.subnets);
  const name = parseBridgeName(config.bridge);
  const book = new AddressBook(database, pool);
  const nft = openNft(findNft);
  const sysctls = new HostSysctls(database, thread);
  const rules = new PodRules(name, { nft, thread, book, log });
  const claim = new BridgeClaim(name, thread);
  const deps = { claim, thread, nft, rules, book, sysctls, log };
  const bridge = new PodBridge({ name, pool, mtu: config.mtu }, deps);
  const locks = new KeyedLock<string>();
  return { thread, pool, book, bridge, claim, rules, sysctls, bridgeName: name, locks };
}

async function addPod(parts: Parts, pod: PodToAdd): Promise<Connected> {
  const { book, bridge, rules, locks } = parts;
  using _held = await locks.hold(pod.id);
  try {
    const made = bridge.ensure();
    const { mtu } = await made;
    const holding = book.find(pod.id) ?? (await reserve(parts, pod, mtu));
    await connect(parts, { netnsPath: pod.netnsPath, ...holding.place }, made);
    await rules.openPorts(holding);
    // Somebody may have taken away what a pod does not need in order to come, but to get anywhere.
    bridge.refreshSoon();
    const [address = '', ...additionalAddresses] = holding.place.addresses.map((ip) => ip.address);
    return { address, additionalAddresses };
  } catch (cause) {
    throw new Fault(faultCode(cause), `connect pod "${pod.id}" to the network`, { cause });
  }
}

async function reserve(
  { thread, pool, book }: Parts,
  { id, name, namespace, portMappings }: PodToAdd,
  mtu: number,
): Promise<Holding> {
  const ports = hostPortsOf(portMappings);
  const families = new Set(pool.subnets.map(({ family }) => family));
  refuseMissingFamily(ports, [...families]);
  // A pod is a better answer than whatever of the host stands in its way.
  book.refuseCollisions(ports);
  await refuseHeldPorts(thread, ports);
  return book.reserve({ id, name: `${namespace}/${name}`, ports, mtu });
}

/** Makes the bridge again when somebody deleted it. */
async function connect(
  { thread, bridge }: Parts,
  place: PodPlace & { readonly netnsPath: string },
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

async function removePod(parts: Parts, id: string): Promise<void> {
  const { thread, book, rules, locks, bridgeName } = parts;
  using _held = await locks.hold(id);
  const holding = book.find(id);
  if (holding === undefined) return;
  const { hostInterface: link, addresses } = holding.place;
  try {
    // The kernel may keep the pair for a while yet; whoever gets the address next must not notice.
    await thread.run('disconnectPort', {
      link,
      bridge: bridgeName,
      addresses: addresses.map(({ address }) => address),
    });
    await rules.release(holding);
  } catch (cause) {
    throw new Fault(faultCode(cause), `take pod "${id}" off the network`, { cause });
  }
}

async function undo({ book, bridge, sysctls }: Parts): Promise<readonly Setting[]> {
  await bridge.settled();
  const count = book.all().length;
  if (count > 0) {
    const reason = `${count} ${count === 1 ? 'pod is' : 'pods are'} on it`;
    throw new Fault('failed-precondition', `take the network down: ${reason}`);
  }
  await bridge.remove();
  return sysctls.undo();
}

async function reconcile(parts: Parts, owners: ReadonlySet<string>): Promise<void> {
  const { thread, book, bridge, claim, bridgeName } = parts;
  const strangers = book.all().filter(({ id }) => !owners.has(id));
  for (const { id } of strangers) await removePod(parts, id);

  // Else the links would be orphans to us that are another daemon's pods'.
  await claim.take();
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
