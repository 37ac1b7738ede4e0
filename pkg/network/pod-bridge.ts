import { describe, Fault } from '#errors/fault.ts';
import type { SystemThread } from '#linux/system-thread.ts';
import type { Log } from '#log/log.ts';
import { type AddressBook, isHostInterface } from './address-book.ts';
import type { BridgeClaim } from './bridge-claim.ts';
import { type Lack, lacksOfBridge, staleAddresses } from './bridge-state.ts';
import { forwardingOf, switchForwardingOn } from './forwarding.ts';
import { type HostNetwork, outwardMtu, refuseClash, refuseOverlap } from './host-network.ts';
import type { HostSysctls } from './host-sysctls.ts';
import type { Nft } from './nft.ts';
import type { PodRules } from './pod-rules.ts';
import type { Pool } from './pool.ts';
import { tableName } from './ruleset.ts';
import { bridgeMac, gatewayOf } from './subnet.ts';

export type BridgeConfig = {
  readonly name: string;
  readonly pool: Pool;
  /** In bytes; absent for that of the link by which the host reaches the world. */
  readonly mtu: number | undefined;
};

export type BridgeDeps = {
  readonly claim: BridgeClaim;
  readonly thread: SystemThread;
  readonly nft: Nft;
  readonly rules: PodRules;
  readonly book: AddressBook;
  readonly sysctls: HostSysctls;
  readonly log: Log;
};

/** Whether pods can be connected now. `reason` is a CamelCase word, `message` a sentence. */
export type Readiness =
  | { readonly ready: true }
  | { readonly ready: false; readonly reason: string; readonly message: string };

/** What pods find once the bridge is there. */
export type Made = { readonly bridgeIndex: number; readonly mtu: number };

/** Many pods that come at once have the network looked after once. */
const freshMs = 1_000;

/** RFC 8200, section 5. */
const smallestIpv6Mtu = 1280;

/** The host's side of the network: the bridge, forwarding, and the rules. Made when first needed. */
export class PodBridge {
  readonly #config: BridgeConfig;
  readonly #deps: BridgeDeps;
  #making: Promise<Made> | undefined;
  #refreshing: Promise<void> | undefined;
  #refreshedAt = -Infinity;
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
    this.#refreshedAt = performance.now();
    const isInUse = this.#making !== undefined || this.#deps.book.all().length > 0;
    this.#refreshing ??= (isInUse ? this.#heal() : this.#probe())
      // The readiness says it.
      .catch(() => {})
      .finally(() => {
        this.#refreshing = undefined;
      });
    return this.#refreshing;
  }

  /** Refreshes in the background, unless that was done a moment ago. */
  refreshSoon(): void {
    if (performance.now() - this.#refreshedAt >= freshMs) void this.refresh();
  }

  /** What pods lack of it. */
  async lacks(): Promise<readonly Lack[]> {
    return this.#deps.book.all().length === 0 ? [] : (await this.#look()).lacks;
  }

  /** Makes again what is missing, and rejects when that fails. */
  heal(): Promise<void> {
    return this.#heal();
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

  /** Takes away the bridge, if it is one of ours, and the rules. Rejects when another daemon has it. */
  async remove(): Promise<void> {
    const { thread, rules, claim } = this.#deps;
    const { name } = this.#config;
    await claim.take();
    const { links } = await thread.run('listHostNetwork', undefined);
    const isOurs = links.some((link) => link.name === name && link.mac === bridgeMac(name));
    if (!isOurs && this.#making === undefined) return;
    this.#making = undefined;
    if (isOurs) await thread.run('deleteLinks', [name]);
    await rules.remove();
  }

  get #families(): (4 | 6)[] {
    return [...new Set(this.#deps.book.subnets().map(({ family }) => family))];
  }

  async #probe(): Promise<void> {
    if (this.#readiness.ready) return;
    const host = await this.#stage('SubnetUnusable', () => this.#inspectHost());
    await this.#stage('BridgeUnusable', async () => refuseClash(host, this.#config.name));
    await this.#stage('BridgeUnusable', () => this.#deps.claim.take());
    await this.#stage('NftablesUnusable', () => this.#deps.rules.check());
    this.#readiness = { ready: true };
  }

  async #heal(): Promise<void> {
    const { log } = this.#deps;
    const { name: bridge } = this.#config;
    const making = this.ensure();
    await making;
    const { lacks, stale } = await this.#look();
    if (lacks.length === 0 && stale.length === 0) return;
    if (lacks.length > 0) {
      const missing = lacks.map(({ subject, problem }) => `${subject} ${problem}`);
      log.warn({ bridge, missing }, 'somebody took away a part of the network: it is made again');
    }
    await this.remake(making);
  }

  /** What is not as it was made, and addresses of the bridge that nobody needs any more. */
  async #look() {
    const { thread, rules, book, sysctls } = this.#deps;
    const { name } = this.#config;
    const settings = forwardingOf(this.#families);
    const present = await sysctls.read(settings.map(({ path }) => path));
    const unset = settings.filter(({ value }, at) => present[at] !== value);
    const link = await thread.run('viewLink', name);
    const lacks: readonly Lack[] = [
      ...lacksOfBridge(name, link, book.subnets()),
      ...((await rules.isWhole())
        ? []
        : [{ subject: `table inet ${tableName(name)}`, problem: 'lacks rules' }]),
      ...unset.map(({ path, value }) => ({
        subject: `sysctl ${path}`,
        problem: `is not ${value}`,
      })),
    ];
    return { lacks, stale: staleAddresses(name, link, book.subnets()) };
  }

  async #make(): Promise<Made> {
    try {
      await this.#stage('BridgeUnusable', () => this.#deps.claim.take());
      const host = await this.#stage('SubnetUnusable', () => this.#inspectHost());
      const mtu = this.#mtuFor(host);
      await this.#stage('ForwardingUnusable', () => this.#forward(host));
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

  /** Refuses subnets that the host uses otherwise. */
  async #inspectHost(): Promise<HostNetwork> {
    const { name, pool } = this.#config;
    const host = await this.#deps.thread.run('listHostNetwork', undefined);
    for (const subnet of pool.subnets) refuseOverlap(host, name, subnet);
    const mtu = this.#mtuFor(host);
    if (this.#families.includes(6) && mtu < smallestIpv6Mtu) {
      const reason = `IPv6 needs ${smallestIpv6Mtu}`;
      throw new Fault('failed-precondition', `use an MTU of ${mtu}: ${reason}`);
    }
    return host;
  }

  #mtuFor(host: HostNetwork): number {
    return this.#config.mtu ?? outwardMtu(host, this.#families);
  }

  /** Returns its index. */
  async #makeBridge(mtu: number): Promise<number> {
    const { thread, book } = this.#deps;
    const { name } = this.#config;
    const found = await thread.run('viewLink', name);
    const { index: bridgeIndex } = await thread.run('ensureBridge', {
      name,
      mac: bridgeMac(name),
      mtu,
      stale: staleAddresses(name, found, book.subnets()),
      addresses: book.subnets().map((subnet) => ({
        address: gatewayOf(subnet),
        prefixLength: subnet.prefixLength,
      })),
    });
    // Somebody may have deleted it while pods were on it.
    const links = book.all().map(({ place }) => place.hostInterface);
    await thread.run('joinBridge', { bridgeIndex, links });
    return bridgeIndex;
  }

  async #forward({ links }: HostNetwork): Promise<void> {
    // Ports of a bridge take no IPv6 in: the bridge does.
    const others = links
      .filter((link) => link.bridgeIndex === undefined)
      .map(({ name }) => name)
      .filter((name) => name !== 'lo' && name !== this.#config.name && !isHostInterface(name));
    await switchForwardingOn(this.#deps.sysctls, this.#families, others);
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
