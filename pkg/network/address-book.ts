import { randomBytes } from 'node:crypto';
import { Fault } from '#errors/fault.ts';
import type { Database } from '#store/database.ts';
import { AddressTable, type Holding, interfaceName, type PodAddress } from './address-table.ts';
import { collide, type HostPort, nameOf } from './host-port.ts';
import { gatewayOf, macOf, podAddress, podCapacity, type Subnet } from './subnet.ts';

/** Whether a link of this name is, or was, a pod's. */
export function isHostInterface(name: string): boolean {
  return /^gantry[0-9a-f]{9}$/.test(name);
}

/**
 * Who holds which address and which ports of the host. It is written to the database before anything
 * is made in the kernel, so that a restarted daemon knows what to give back.
 */
export class AddressBook {
  readonly #table: AddressTable;
  readonly #subnet: Subnet;
  readonly #holdings = new Map<string, Holding>();
  readonly #taken = new Set<string>();
  #lastIndex: number;

  constructor(database: Database, subnet: Subnet) {
    this.#table = new AddressTable(database);
    this.#subnet = subnet;
    for (const holding of this.#table.load()) this.#add(holding);
    this.#lastIndex = this.#table.lastIndex(subnet.cidr);
  }

  find(id: string): Holding | undefined {
    return this.#holdings.get(id);
  }

  all(): Holding[] {
    return [...this.#holdings.values()];
  }

  /**
   * Takes an address and the ports for a pod that has none. The next address after the last one taken
   * is used, so that one just given back rests while others are free.
   */
  reserve(id: string, ports: readonly HostPort[], mtu: number): Holding {
    this.#refuseCollisions(ports);
    const index = this.#nextFreeIndex();
    const address = podAddress(this.#subnet, index);
    const place: PodAddress = {
      address,
      prefixLength: this.#subnet.prefixLength,
      gateway: gatewayOf(this.#subnet),
      interfaceName,
      // Random, for the kernel may still have the link of any earlier pod.
      hostInterface: `gantry${randomBytes(5).toString('hex').slice(1)}`,
      mac: macOf(address),
      mtu,
    };
    const holding = { id, place, ports };
    this.#table.insert(holding, { subnet: this.#subnet.cidr, index });
    this.#lastIndex = index;
    this.#add(holding);
    return holding;
  }

  /** Gives back what the pod holds, if anything. */
  release(id: string): void {
    this.#table.delete(id);
    const holding = this.#holdings.get(id);
    if (holding !== undefined) this.#taken.delete(holding.place.address);
    this.#holdings.delete(id);
  }

  #add(holding: Holding): void {
    this.#holdings.set(holding.id, holding);
    this.#taken.add(holding.place.address);
  }

  #nextFreeIndex(): number {
    const capacity = podCapacity(this.#subnet);
    for (let step = 1; step <= capacity; step++) {
      const index = (this.#lastIndex + step) % capacity;
      if (!this.#taken.has(podAddress(this.#subnet, index))) return index;
    }
    const act = `take an address of ${this.#subnet.cidr}`;
    throw new Fault('resource-exhausted', `${act}: all ${capacity} are in use`);
  }

  #refuseCollisions(ports: readonly HostPort[]): void {
    const held = this.all().flatMap(({ id, ports: theirs }) =>
      theirs.map((port) => ({ port, holder: `pod "${id}" has it` })),
    );
    for (const port of ports) {
      const other = held.find((each) => collide(each.port, port));
      if (other !== undefined) {
        throw new Fault('already-exists', `map host port ${nameOf(port)}: ${other.holder}`);
      }
      held.push({ port, holder: 'the pod asks for it twice' });
    }
  }
}
