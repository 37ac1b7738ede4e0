import { setTimeout as delay } from 'node:timers/promises';
import { Fault, faultCode } from '#errors/fault.ts';
import type { SystemThread } from '#linux/system-thread.ts';
import type { Log } from '#log/log.ts';
import { KeyedLock } from '#store/keyed-lock.ts';
import { newAttachment } from './attachment.ts';
import { AttachmentStore } from './attachment-store.ts';
import { addChain, checkChain, delChain } from './chain.ts';
import type { Found } from './config-directory.ts';
import { ConfigSource } from './config-source.ts';
import type { NetworkConfig } from './network-config.ts';
import { Gate } from './gate.ts';
import type { JsonObject } from './json-object.ts';
import { endOrphans } from './orphans.ts';
import { OwedDeletions } from './owed-deletions.ts';
import type { PluginDeps } from './plugin.ts';
import { PluginVersions } from './plugin-versions.ts';
import type { CniPod } from './pod.ts';
import { type CniReadiness, ReadinessProbe } from './readiness.ts';
import { Upkeep } from './upkeep.ts';

export type CniOptions = {
  /** Where networks are configured, in files. It need not exist. */
  readonly confDir: string;
  /** Where the plugins are. */
  readonly binDirs: readonly string[];
  /** For the attachments; it is made. */
  readonly cacheDir: string;
  /** For one run of one plugin. */
  readonly timeoutMs: number;
  readonly thread: SystemThread;
  readonly log: Log;
};

/** A pod's place in the network: its addresses without prefix lengths. */
export type CniPlace = {
  readonly address: string;
  readonly additionalAddresses: readonly string[];
};

/** How long the DELs at the start may keep the daemon from serving, all of them together. */
const startPatienceMs = 3_000;

/** Networks that plugins make, as the Container Network Interface specifies (SPEC.md 1.1.0). */
export class CniNetwork {
  readonly #thread: SystemThread;
  readonly #source: ConfigSource;
  readonly #plugins: PluginDeps;
  readonly #store: AttachmentStore;
  readonly #versions: PluginVersions;
  readonly #probe: ReadinessProbe;
  readonly #deletions: OwedDeletions;
  readonly #upkeep: Upkeep;
  readonly #ender = new AbortController();
  /** ADD and DEL go on beside each other, GC alone (SPEC.md, "Lifecycle & Ordering"). */
  readonly #gate = new Gate();
  readonly #locks = new KeyedLock<string>();
  #isStarting = true;
  #startPatience: Promise<void> | undefined;

  constructor({ confDir, binDirs, timeoutMs, thread, log }: CniOptions, store: AttachmentStore) {
    this.#thread = thread;
    this.#source = new ConfigSource(confDir, log);
    this.#plugins = { binDirs, timeoutMs, log, signal: this.#ender.signal };
    this.#store = store;
    this.#versions = new PluginVersions(this.#plugins);
    this.#probe = new ReadinessProbe(this.#plugins, this.#versions);
    this.#deletions = new OwedDeletions((id) => this.#delete(id), log);
    this.#upkeep = new Upkeep({
      plugins: this.#plugins,
      versions: this.#versions,
      store,
      deletions: this.#deletions,
      gate: this.#gate,
    });
  }

  /** The configuration in force. It is read at each call. */
  async current(): Promise<Found> {
    const found = await this.#source.read();
    if (found.kind === 'valid' && !this.#isStarting) this.#upkeep.collectOnce(found.config);
    return found;
  }

  readiness(found: Found & { readonly kind: 'valid' }): Promise<CniReadiness> {
    return this.#probe.readiness(found);
  }

  /**
   * ADD. From here on a DEL is owed, whatever comes; the record of it is on the disk before a plugin
   * runs. A failed one must be followed by removePod().
   */
  async addPod(pod: CniPod, config: NetworkConfig): Promise<CniPlace> {
    try {
      return await this.#add(pod, config);
    } catch (cause) {
      throw new Fault(faultCode(cause), `connect pod "${pod.id}" to CNI network "${config.name}"`, {
        cause,
      });
    }
  }

  /**
   * DEL. Rejects when that fails, and goes on trying in the background; a later call succeeds once it
   * has been done. Succeeds for a pod that is not connected.
   */
  async removePod(id: string): Promise<void> {
    if (this.#store.find(id) === undefined) return;
    try {
      await (this.#isStarting ? this.#removeAtStart(id) : this.#deletions.attempt(id));
    } catch (cause) {
      throw new Fault(faultCode(cause), `take pod "${id}" off its CNI network`, { cause });
    }
  }

  /** CHECK. Rejects when something of the pod's network is missing. */
  async checkPod(id: string): Promise<void> {
    using _inside = await this.#gate.enter();
    using _held = await this.#locks.hold(id);
    const attachment = this.#store.find(id);
    if (attachment !== undefined) await checkChain(this.#plugins, attachment);
  }

  /** What a pod's plugins were told and what they answered, or undefined when it is not connected. */
  describePod(id: string): JsonObject | undefined {
    const attachment = this.#store.find(id);
    if (attachment === undefined) return undefined;
    const { config, version, args, capabilityArgs, result } = attachment;
    const isDelOwed = this.isDelOwed(id);
    return { cniVersion: version, config, args, capabilityArgs, result, isDelOwed };
  }

  isDelOwed(id: string): boolean {
    return this.#deletions.isOwed(id);
  }

  /** The pods that are connected, or still owed a DEL. */
  connectedPods(): string[] {
    return this.#store.all().map(({ id }) => id);
  }

  /**
   * Ends the start, in which removePod() was called for all pods that do not run: DEL for those that
   * nobody knows, then GC, and CHECK for those that run. All of it goes on in the background.
   */
  reconcile(owners: ReadonlySet<string>): void {
    this.#isStarting = false;
    const ids = this.connectedPods();
    for (const id of ids) if (!owners.has(id)) this.#deletions.begin(id);
    void this.current();
    void this.#checkAll(ids.filter((id) => !this.isDelOwed(id)));
  }

  /** Ends the plugins that run. What is owed stays on record. */
  close(): void {
    this.#deletions.close();
    this.#ender.abort();
  }

  async #add(pod: CniPod, config: NetworkConfig): Promise<CniPlace> {
    const version = await this.#versions.agree(config);
    const attachment = newAttachment(pod, config, version);
    using _inside = await this.#gate.enter();
    using _held = await this.#locks.hold(pod.id);
    if (this.#store.find(pod.id) !== undefined) {
      throw new Fault('already-exists', 'it is connected already');
    }
    await this.#thread.run('setLoopbackUp', pod.netnsPath);
    await this.#store.put(attachment);
    const { result, addresses } = await addChain(this.#plugins, attachment);
    await this.#store.put({ ...attachment, result });
    const [address, ...additionalAddresses] = addresses;
    return { address, additionalAddresses };
  }

  async #delete(id: string): Promise<void> {
    using _inside = await this.#gate.enter();
    using _held = await this.#locks.hold(id);
    const attachment = this.#store.find(id);
    if (attachment === undefined) return;
    // Where plugins are gone for good, an operator ends this by removing the file.
    if (await this.#store.isOnDisk(attachment)) await delChain(this.#plugins, attachment);
    await this.#store.delete(attachment);
  }

  /** Nobody is served meanwhile, so plugins that hang are not waited for to their end. */
  async #removeAtStart(id: string): Promise<void> {
    this.#startPatience ??= delay(startPatienceMs, undefined, { ref: false });
    const done = this.#deletions.attemptInTurn(id).then(() => true);
    if ((await Promise.race([done, this.#startPatience])) === true) return;
    throw new Fault('unavailable', 'its plugins have not answered yet; this goes on');
  }

  async #checkAll(ids: readonly string[]): Promise<void> {
    const message = 'CNI CHECK: the network of a pod is not what it was';
    for (const id of ids) {
      await this.#upkeep.attempt(() => this.checkPod(id), { sandboxId: id }, message);
    }
  }
}

/** Opens the networks of plugins, with what an earlier daemon left of them. */
export async function openCniNetwork(options: CniOptions): Promise<CniNetwork> {
  const store = new AttachmentStore(options.cacheDir, options.log);
  try {
    await store.load();
    const unfinished = store.all().filter(({ result }) => result === undefined);
    await endOrphans(new Set(unfinished.map(({ id }) => id)));
  } catch (cause) {
    throw new Fault('failed-precondition', `open the CNI cache "${options.cacheDir}"`, { cause });
  }
  return new CniNetwork(options, store);
}

/** What is wrong with the configuration, as a Fault for a pod that would be connected by it. */
export function brokenConfig({ file, reason }: Found & { readonly kind: 'broken' }): Fault {
  return new Fault('failed-precondition', `use CNI configuration "${file}": ${reason}`);
}
