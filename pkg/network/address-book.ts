import { randomBytes } from 'node:crypto';
import { Fault } from '#errors/fault.ts';
import { familyOf } from '#linux/netlink/ip.ts';
import type { Database } from '#store/database.ts';
import { AddressTable, type Holding, interfaceName } from './address-table.ts';
import { collide, type HostPort, nameOf } from './host-port.ts';
import { addressesAt, placeOf, type PodIp, type Pool } from './pool.ts';
import { macOf, type Subnet, subnetAround } from './subnet.ts';

/** Whether a link of this name is, or was, a pod's. */
export function isHostInterface(name: string): boolean {
  return /^gantry[0-9a-f]{9}$/.test(name);
}

/** Who asks for a place, and what for. */
export type Request = {
  readonly id: string;
  readonly name: string;
  readonly ports: readonly HostPort[];
  readonly mtu: number;
};

/** After so many others were given back, an address is as good as one that nobody had. */
const restingCount = 4096;

/**
 * Who holds which addresses and which ports of the host. It is written to the database before anything
 * is made in the kernel, so that a restarted daemon knows what to give back.
 */
export class AddressBook {
  readonly #table: AddressTable;
  readonly #pool: Pool;
  readonly #holdings = new Map<string, Holding>();
  readonly #taken = new Set<string>();
  /** Primary addresses that were given back lately, the earliest first. */
  readonly #resting: Set<string>;
  #cursor = -1;

  constructor(database: Database, pool: Pool) {
    this.#table = new AddressTable(database, restingCount);
    this.#pool = pool;
    for (const holding of this.#table.load()) this.#add(holding);
    this.#resting = new Set(this.#table.loadReleased());
  }

  find(id: string): Holding | undefined {
    return this.#holdings.get(id);
  }

  all(): Holding[] {
    return [...this.#holdings.values()];
  }

  /** The subnets of the pool, and those that pods have had addresses of since before it was changed. */
  subnets(): Subnet[] {
    const held = this.#heldAddresses().map((ip) => subnetAround(ip.address, ip.prefixLength));
    const byCidr = new Map([...this.#pool.subnets, ...held].map((each) => [each.cidr, each]));
    return [...byCidr.values()];
  }

  /**
   * Takes addresses and the ports for a pod that has none. Addresses that were free for long are taken
   * first, then the one that was given back the longest time ago.
   */
  reserve({ id, name, ports, mtu }: Request): Holding {
    this.refuseCollisions(ports);
    const addresses = this.#take();
    const place = {
      addresses,
      interfaceName,
      // Random, for the kernel may still have the link of any earlier pod.
      hostInterface: `gantry${randomBytes(5).toString('hex').slice(1)}`,
      mac: macOf(macSource(addresses)),
      mtu,
    } as const;
    const holding = { id, name, place, ports };
    this.#table.insert(holding);
    this.#add(holding);
    return holding;
  }

  /** Gives back what the pod holds, if anything. */
  release(id: string): void {
    const holding = this.#holdings.get(id);
    const [primary] = holding?.place.addresses ?? [];
    this.#table.release(id, primary?.address);
    this.#holdings.delete(id);
    for (const { address } of holding?.place.addresses ?? []) this.#taken.delete(address);
    if (primary !== undefined) this.#rest(primary.address);
  }

  /** An `already-exists` Fault with the name of the pod that has one of the ports. */
  refuseCollisions(ports: readonly HostPort[]): void {
    const held = this.all().flatMap(({ id, name, ports: theirs }) =>
      theirs.map((port) => ({ port, holder: `pod "${name}" (${id.slice(0, 13)}) has it` })),
    );
    for (const port of ports) {
      const other = held.find((each) => collide(each.port, port));
      if (other !== undefined) {
        throw new Fault('already-exists', `map host port ${nameOf(port)}: ${other.holder}`);
      }
      held.push({ port, holder: 'the pod asks for it twice' });
    }
  }

  #add(holding: Holding): void {
    this.#holdings.set(holding.id, holding);
    for (const { address } of holding.place.addresses) this.#taken.add(address);
  }

  #heldAddresses(): PodIp[] {
    return this.all().flatMap(({ place }) => place.addresses);
  }

  #rest(address: string): void {
    this.#resting.delete(address);
    this.#resting.add(address);
    if (this.#resting.size <= restingCount) return;
    const [earliest = ''] = this.#resting;
    this.#resting.delete(earliest);
  }

  #take(): PodIp[] {
    const place = this.#restedPlace() ?? this.#earliestReleased();
    if (place === undefined) throw this.#full();
    this.#cursor = place;
    const addresses = addressesAt(this.#pool, place);
    for (const { address } of addresses) this.#resting.delete(address);
    return addresses;
  }

  /** Within as many steps as there are addresses that are not to be had, and one more, if at all. */
  #restedPlace(): number | undefined {
    const { capacity } = this.#pool;
    const steps = Math.min(capacity, this.#taken.size + this.#resting.size + 1);
    for (let step = 1; step <= steps; step++) {
      const place = (this.#cursor + step) % capacity;
      if (this.#isFree(place, this.#resting)) return place;
    }
    return undefined;
  }

  #earliestReleased(): number | undefined {
    for (const address of this.#resting) {
      const place = placeOf(this.#pool, address);
      if (place !== undefined && this.#isFree(place)) return place;
    }
    return undefined;
  }

  #isFree(place: number, resting?: ReadonlySet<string>): boolean {
    return addressesAt(this.#pool, place).every(
      ({ address }) => !this.#taken.has(address) && resting?.has(address) !== true,
    );
  }

  #full(): Fault {
    const { subnets, capacity } = this.#pool;
    const act = `take an address of ${subnets.map(({ cidr }) => cidr).join(' and ')}`;
    const advice = 'network.subnets may name more';
    return new Fault('resource-exhausted', `${act}: all ${capacity} are in use; ${advice}`);
  }
}

/** The address after which the pod's MAC is made: one of IPv4 fits in as it is. */
function macSource(addresses: readonly PodIp[]): string {
  const known = addresses.map(({ address }) => address);
  return known.find((address) => familyOf(address) === 4) ?? known[0] ?? '';
}
