import type { SystemThread } from '#linux/system-thread.ts';
import { KeyedLock } from '#store/keyed-lock.ts';
import type { AddressBook } from './address-book.ts';
import type { Holding } from './address-table.ts';
import type { Nft } from './nft.ts';
import {
  closePorts,
  type NetworkRules,
  noTable,
  openPorts,
  tableName,
  wholeTable,
} from './ruleset.ts';

export type RulesDeps = {
  readonly nft: Nft;
  readonly thread: SystemThread;
  readonly book: AddressBook;
};

/** The nftables table of the network. Changes to it come one after the other. */
export class PodRules {
  readonly #rules: NetworkRules;
  readonly #deps: RulesDeps;
  /** A change holds it from when it reads the book until the kernel has the rules. */
  readonly #changes = new KeyedLock<'table'>();

  constructor(rules: NetworkRules, deps: RulesDeps) {
    this.#rules = rules;
    this.#deps = deps;
  }

  /** Rejects when the table could not be made. */
  check(): Promise<void> {
    return this.#deps.nft.check(wholeTable(this.#rules, this.#deps.book.all()));
  }

  exists(): Promise<boolean> {
    return this.#deps.thread.run('hasNftTable', tableName(this.#rules.bridge));
  }

  /** Makes the table anew from the book. */
  async make(): Promise<void> {
    using _held = await this.#changes.hold('table');
    const holdings = this.#deps.book.all();
    await this.#deps.nft.apply(wholeTable(this.#rules, holdings));
    if (holdings.some(({ ports }) => ports.length > 0)) await this.#routeLoopback();
  }

  remove(): Promise<void> {
    return this.#deps.nft.apply(noTable(this.#rules));
  }

  /** Leads the pod's host ports to it. */
  async openPorts(holding: Holding): Promise<void> {
    if (holding.ports.length === 0) return;
    using _held = await this.#changes.hold('table');
    await this.#change(openPorts(this.#rules, holding), this.#deps.book.all());
    await this.#routeLoopback();
  }

  /** Closes the pod's host ports, and gives back all that it holds. */
  async release(holding: Holding): Promise<void> {
    const { book } = this.#deps;
    if (holding.ports.length === 0) return book.release(holding.id);
    using _held = await this.#changes.hold('table');
    const others = book.all().filter(({ id }) => id !== holding.id);
    await this.#change(closePorts(this.#rules, holding), others);
    // Still under the lock: a table made after it must not open them again.
    book.release(holding.id);
  }

  /** Applies a small change or, when that is refused (somebody flushed the rules), all of the table. */
  async #change(change: string, holdings: readonly Holding[]): Promise<void> {
    try {
      await this.#deps.nft.apply(change);
    } catch {
      await this.#deps.nft.apply(wholeTable(this.#rules, holdings));
    }
  }

  /** Lets 127.0.0.1 be led to a pod. Set after the rule that keeps pods from the host's loopback. */
  #routeLoopback(): Promise<void> {
    const setting = `net/ipv4/conf/${this.#rules.bridge}/route_localnet`;
    return this.#deps.thread.run('switchOn', setting);
  }
}
