import { describe } from '#errors/fault.ts';
import type { SystemThread } from '#linux/system-thread.ts';
import type { Log } from '#log/log.ts';
import type { AddressBook } from './address-book.ts';
import { outwardMtu, refuseOverlap } from './host-network.ts';
import type { Nft } from './nft.ts';
import type { PodRules } from './pod-rules.ts';
import { gatewayOf, macOf, type Subnet } from './subnet.ts';

export type BridgeConfig = {
  readonly name: string;
  readonly subnet: Subnet;
  /** In bytes; absent for that of the link by which the host reaches the world. */
  readonly mtu: number | undefined;
};

export type BridgeDeps = {
  readonly thread: SystemThread;
  readonly nft: Nft;
  readonly rules: PodRules;
  readonly book: AddressBook;
  readonly log: Log;
};

/** Whether pods can be connected now. `reason` is a CamelCase word, `message` a sentence. */
export type Readiness =
  | { readonly ready: true }
  | { readonly ready: false; readonly reason: string; readonly message: string };

/** What pods find once the bridge is there. */
export type Made = { readonly bridgeIndex: number; readonly mtu: number };

/** The host's side of the network: the bridge, forwarding, and the rules. Made when first needed. */
export class PodBridge {
  readonly #config: BridgeConfig;
  readonly #deps: BridgeDeps;
  #making: Promise<Made> | undefined;
  #refreshing: Promise<void> | undefined;
  #readiness: Readiness = { ready: false, reason: 'Unknown', message: 'not looked at yet' };

  constructor(config: BridgeConfig, deps: BridgeDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  get readiness(): Readiness {
    return this.#readiness;
  }

  /**
   * Finds out how things are. Where pods are connected, what is missing is made again (somebody
   * deleted the bridge, or flushed the rules); where none is, nothing is made. Does not throw.
   */
  refresh(): Promise<void> {
    const isInUse = this.#making !== undefined || this.#deps.book.all().length > 0;
    this.#refreshing ??= (isInUse ? this.#heal() : this.#probe())
      // The readiness says it.
      .catch(() => {})
      .finally(() => {
        this.#refreshing = undefined;
      });
    return this.#refreshing;
  }

  /** Resolves when no refresh runs any more. */
  async settled(): Promise<void> {
    await this.#refreshing;
  }

  /** Makes the bridge and its rules, once; after a failure the next call tries again. */
  ensure(): Promise<Made> {
    this.#making ??= this.#make();
    return this.#making;
  }

  /** Makes them again when `lost` is what the latest ensure() returned. */
  remake(lost: Promise<Made>): Promise<Made> {
    if (this.#making === lost) this.#making = undefined;
    return this.ensure();
  }

  /** Takes away the bridge, if it is one of ours, and the rules. */
  async remove(): Promise<void> {
    const { thread, rules } = this.#deps;
    const { links } = await thread.run('listHostNetwork', undefined);
    const isOurs = links.some(({ name, mac }) => name === this.#config.name && mac === this.#mac);
    if (!isOurs && this.#making === undefined) return;
    this.#making = undefined;
    if (isOurs) await thread.run('deleteLinks', [this.#config.name]);
    await rules.remove();
  }

  /** It tells our bridge from one that an operator made and only lends us. */
  get #mac(): string {
    return macOf(gatewayOf(this.#config.subnet));
  }

  async #probe(): Promise<void> {
    if (this.#readiness.ready) return;
    await this.#stage('SubnetUnusable', () => this.#inspectHost());
    await this.#stage('NftablesUnusable', () => this.#deps.rules.check());
    this.#readiness = { ready: true };
  }

  async #heal(): Promise<void> {
    const { thread, rules, log } = this.#deps;
    const { name: bridge } = this.#config;
    const making = this.ensure();
    await making;
    if ((await thread.run('hasLink', bridge)) && (await rules.exists())) return;
    log.warn({ bridge }, 'somebody took away the bridge or its rules: they are made again');
    await this.remake(making);
  }

  async #make(): Promise<Made> {
    try {
      const mtu = await this.#stage('SubnetUnusable', () => this.#inspectHost());
      const bridgeIndex = await this.#stage('BridgeUnusable', () => this.#makeBridge(mtu));
      await this.#stage('NftablesUnusable', () => this.#deps.rules.make());
      this.#readiness = { ready: true };
      await this.#warnOfFirewalls();
      return { bridgeIndex, mtu };
    } catch (error) {
      this.#making = undefined;
      throw error;
    }
  }

  /** Refuses a subnet that the host uses otherwise; returns the MTU to use. */
  async #inspectHost(): Promise<number> {
    const host = await this.#deps.thread.run('listHostNetwork', undefined);
    refuseOverlap(host, this.#config.name, this.#config.subnet);
    return this.#config.mtu ?? outwardMtu(host);
  }

  /** Returns its index. */
  async #makeBridge(mtu: number): Promise<number> {
    const { thread, book } = this.#deps;
    const { name, subnet } = this.#config;
    const { index: bridgeIndex } = await thread.run('ensureBridge', {
      name,
      mac: this.#mac,
      mtu,
      address: gatewayOf(subnet),
      prefixLength: subnet.prefixLength,
    });
    // Somebody may have deleted it while pods were on it.
    const links = book.all().map(({ place }) => place.hostInterface);
    await thread.run('joinBridge', { bridgeIndex, links });
    await thread.run('switchOn', 'net/ipv4/ip_forward');
    return bridgeIndex;
  }

  async #warnOfFirewalls(): Promise<void> {
    const { nft, log } = this.#deps;
    const chains = await nft.forwardChainsThatDrop();
    if (chains.length === 0) return;
    const message =
      'a firewall drops what it does not accept for forwarding: tell it of the bridge';
    log.warn({ bridge: this.#config.name, chains }, message);
  }

  async #stage<Result>(reason: string, act: () => Promise<Result>): Promise<Result> {
    try {
      return await act();
    } catch (error) {
      this.#readiness = { ready: false, reason, message: describe(error) };
      throw error;
    }
  }
}
