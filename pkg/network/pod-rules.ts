import type { Connections } from '#linux/netlink/conntrack.ts';
import type { SystemThread } from '#linux/system-thread.ts';
import type { Log } from '#log/log.ts';
import { KeyedLock } from '#store/keyed-lock.ts';
import type { AddressBook } from './address-book.ts';
import type { Holding } from './address-table.ts';
import { pathsOf, type PortPath } from './host-port.ts';
import type { CountedElement, Nft } from './nft.ts';
import { closePorts, noTable, openPorts, type Rules, tableName, wholeTable } from './ruleset.ts';

export type RulesDeps = {
  readonly nft: Nft;
  readonly thread: SystemThread;
  readonly book: AddressBook;
  readonly log: Log;
};

/** The nftables table of the network. Changes to it come one after the other. */
export class PodRules {
  readonly #bridge: string;
  readonly #deps: RulesDeps;
  /** A change holds it from when it reads the book until the kernel has the rules. */
  readonly #changes = new KeyedLock<'table'>();
  /** How many rules the table had when it was made last. */
  #ruleCount = 1;

  constructor(bridge: string, deps: RulesDeps) {
    this.#bridge = bridge;
    this.#deps = deps;
  }

  /** Rejects when the table could not be made. */
  check(): Promise<void> {
    return this.#deps.nft.check(wholeTable(this.#rules(this.#deps.book.all())));
  }

  exists(): Promise<boolean> {
    return this.#deps.thread.run('hasNftTable', tableName(this.#bridge));
  }

  /** Whether somebody took away the table, or rules of it. */
  async isWhole(): Promise<boolean> {
    return (await this.#countRules()) >= this.#ruleCount;
  }

  /** Makes the table anew from the book. */
  async make(): Promise<void> {
    using _held = await this.#changes.hold('table');
    const holdings = this.#deps.book.all();
    await this.#deps.nft.apply(wholeTable(this.#rules(holdings)));
    this.#ruleCount = await this.#countRules();
    if (holdings.some(({ ports }) => ports.length > 0)) await this.#routeLoopback();
  }

  /** What the table's maps hold now. */
  elements(): Promise<CountedElement[]> {
    return this.#deps.nft.listElements(tableName(this.#bridge));
  }

  remove(): Promise<void> {
    return this.#deps.nft.apply(noTable(this.#bridge));
  }

  /** Leads the pod's host ports to it. */
  async openPorts(holding: Holding): Promise<void> {
    if (holding.ports.length === 0) return;
    using _held = await this.#changes.hold('table');
    await this.#change(openPorts(this.#bridge, holding), this.#deps.book.all());
    await this.#routeLoopback();
    await this.#forget(await this.#openedBefore(holding));
  }

  /** Closes the pod's host ports, and gives back all that it holds. */
  async release(holding: Holding): Promise<void> {
    const { book } = this.#deps;
    if (holding.ports.length === 0) return book.release(holding.id);
    using _held = await this.#changes.hold('table');
    const others = book.all().filter(({ id }) => id !== holding.id);
    try {
      await this.#change(closePorts(this.#bridge, holding), others);
    } catch (error) {
      // Without a table nothing is open, and nft may be missing for good.
      if (await this.exists()) throw error;
    }
    // Else clients that go on would be led to the address, whoever has it next, or nobody.
    await this.#forget(holding.place.addresses.map(({ address }) => ({ answeredBy: address })));
    // Still under the lock: a table made after it must not open them again.
    book.release(holding.id);
  }

  #countRules(): Promise<number> {
    return this.#deps.thread.run('countNftRules', tableName(this.#bridge));
  }

  #rules(holdings: readonly Holding[]): Rules {
    return { bridge: this.#bridge, subnets: this.#deps.book.subnets(), holdings };
  }

  /** Applies a small change or, when that is refused (somebody flushed the rules), all of the table. */
  async #change(change: string, holdings: readonly Holding[]): Promise<void> {
    try {
      await this.#deps.nft.apply(change);
    } catch {
      await this.#deps.nft.apply(wholeTable(this.#rules(holdings)));
    }
  }

  /** Lets loopback addresses be led to a pod. Set after the rules that keep pods from the host's. */
  async #routeLoopback(): Promise<void> {
    const { thread, book } = this.#deps;
    const path = `net/ipv4/conf/${this.#bridge}/route_localnet`;
    await thread.run('setSysctl', { path, value: '1' });
    const hasIpv6 = book.subnets().some(({ family }) => family === 6);
    if (hasIpv6) await thread.run('routeLoopbackV6', this.#bridge);
  }

  /** What came in by the pod's UDP ports when they led elsewhere: with each packet it would go on. */
  async #openedBefore({ ports, place }: Holding): Promise<Connections[]> {
    const paths = ports
      .flatMap((port) => pathsOf(port, place.addresses))
      .filter(({ protocol }) => protocol === 'udp');
    if (paths.length === 0) return [];
    const own = (await this.#deps.thread.run('listAddresses', undefined)).map((it) => it.address);
    return paths.map(({ protocol, hostAddress, hostPort: port }: PortPath) => ({
      openedTo: hostAddress === undefined ? own : [hostAddress],
      protocol,
      port,
    }));
  }

  /** A kernel that cannot be asked to forget is no reason to keep a pod. */
  async #forget(connections: readonly Connections[]): Promise<void> {
    try {
      await this.#deps.thread.run('forgetConnections', connections);
    } catch (error) {
      this.#deps.log.warn({ error }, 'tracked connections of a host port stay until they end');
    }
  }
}
