import { setTimeout as delay } from 'node:timers/promises';
import { Fault, faultCode } from '#errors/fault.ts';
import type { SystemThread } from '#linux/system-thread.ts';
import type { Log } from '#log/log.ts';
import { KeyedLock } from '#store/keyed-lock.ts';
import { newAttachment } from './attachment.ts';
import { AttachmentStore } from './attachment-store.ts';
import { addChain, checkChain, delChain, gcChain } from './chain.ts';
import { type Found, readConfigDirectory } from './config-directory.ts';
import type { NetworkConfig } from './network-config.ts';
import { Gate } from './gate.ts';
import type { JsonObject } from './json-object.ts';
import { endOrphans } from './orphans.ts';
import { OwedDeletions } from './owed-deletions.ts';
import type { PluginDeps } from './plugin.ts';
import { PluginVersions } from './plugin-versions.ts';
import type { CniPod } from './pod.ts';
import { type CniReadiness, ReadinessProbe } from './readiness.ts';
import { Slots } from './slots.ts';

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

/** How many plugins run at a time for nobody who waits: after a reboot every pod is owed a DEL. */
const backgroundSlots = 16;
/** How long the DELs at the start may keep the daemon from serving, all of them together. */
const startPatienceMs = 3_000;

/** Networks that plugins make, as the Container Network Interface specifies (SPEC.md 1.1.0). */
export class CniNetwork {
  readonly #confDir: string;
  readonly #thread: SystemThread;
  readonly #log: Log;
  readonly #deps: PluginDeps;
  readonly #store: AttachmentStore;
  readonly #versions: PluginVersions;
  readonly #probe: ReadinessProbe;
  readonly #deletions: OwedDeletions;
  readonly #ender = new AbortController();
  /** ADD and DEL go on beside each other, GC alone (SPEC.md, "Lifecycle & Ordering"). */
  readonly #gate = new Gate();
  readonly #locks = new KeyedLock<string>();
  readonly #background = new Slots(backgroundSlots);
  readonly #collected = new Set<string>();
  #starting: Promise<void> | undefined;
  #told = '';

  constructor(options: CniOptions, store: AttachmentStore) {
    const { confDir, binDirs, timeoutMs, thread, log } = options;
    this.#confDir = confDir;
    this.#thread = thread;
    this.#log = log;
    this.#deps = { binDirs, timeoutMs, log, signal: this.#ender.signal };
    this.#store = store;
    this.#versions = new PluginVersions(this.#deps);
    this.#probe = new ReadinessProbe(this.#deps, this.#versions);
    this.#deletions = new OwedDeletions((id) => this.#delete(id), log);
    this.#starting = delay(startPatienceMs, undefined, { ref: false });
  }

  /** The configuration in force. It is read at each call. */
  async current(): Promise<Found> {
    const found = await readConfigDirectory(this.#confDir);
    this.#tellChange(found);
    if (found.kind === 'valid' && this.#starting === undefined) this.#collectOnce(found.config);
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
    const { result, addresses } = await addChain(this.#deps, attachment);
    await this.#store.put({ ...attachment, result });
    const [address, ...additionalAddresses] = addresses;
    return { address, additionalAddresses };
  }

  /**
   * DEL. Rejects when that fails, and goes on trying in the background; a later call succeeds once it
   * has been done. Succeeds for a pod that is not connected.
   */
  async removePod(id: string): Promise<void> {
    if (this.#store.find(id) === undefined) return;
    try {
      await this.#patiently(this.#deletions.attempt(id));
    } catch (cause) {
      throw new Fault(faultCode(cause), `take pod "${id}" off its CNI network`, { cause });
    }
  }

  /** CHECK. Rejects when something of the pod's network is missing; nothing is known of other pods. */
  async checkPod(id: string): Promise<void> {
    using _inside = await this.#gate.enter();
    using _held = await this.#locks.hold(id);
    const attachment = this.#store.find(id);
    if (attachment !== undefined) await checkChain(this.#deps, attachment);
  }

  /** What a pod's plugins were told and what they answered, or undefined when it is not connected. */
  describePod(id: string): JsonObject | undefined {
    const attachment = this.#store.find(id);
    if (attachment === undefined) return undefined;
    const { config, version, args, capabilityArgs, result } = attachment;
    const isDelOwed = this.#deletions.isOwed(id);
    return { cniVersion: version, config, args, capabilityArgs, result, isDelOwed };
  }

  /** Those of pods, whether they are wanted any more or not. */
  connectedPods(): string[] {
    return this.#store.all().map(({ id }) => id);
  }

  /**
   * After a restart: DEL for pods that are not of `owners`, then GC, then CHECK for those that are.
   * All of it goes on in the background.
   */
  reconcile(owners: ReadonlySet<string>): void {
    this.#starting = undefined;
    const ids = this.connectedPods();
    for (const id of ids) if (!owners.has(id)) this.#deletions.begin(id);
    const kept = ids.filter((id) => !this.#deletions.isOwed(id));
    void this.#background.run(() => this.current());
    for (const id of kept) void this.#background.run(() => this.#checkAfterStart(id));
  }

  /** Ends the plugins that run. What is owed stays on record. */
  close(): void {
    this.#deletions.close();
    this.#ender.abort();
  }

  /** While the daemon starts, nobody is served: it cannot wait for plugins that hang. */
  async #patiently(attempt: Promise<void>): Promise<void> {
    if (this.#starting === undefined) return attempt;
    const isDone = await Promise.race([attempt.then(() => true), this.#starting]);
    if (isDone === true) return;
    throw new Fault('unavailable', 'its plugins have not answered yet; this goes on');
  }

  async #delete(id: string): Promise<void> {
    const work = () => this.#deleteNow(id);
    return this.#starting === undefined ? work() : this.#background.run(work);
  }

  async #deleteNow(id: string): Promise<void> {
    using _inside = await this.#gate.enter();
    using _held = await this.#locks.hold(id);
    const attachment = this.#store.find(id);
    if (attachment === undefined) return;
    // Where plugins are gone for good, an operator ends this by removing the file.
    if (await this.#store.isOnDisk(attachment)) await delChain(this.#deps, attachment);
    await this.#store.delete(attachment);
  }

  async #checkAfterStart(id: string): Promise<void> {
    try {
      await this.checkPod(id);
    } catch (error) {
      this.#warn({ sandboxId: id, error }, 'CNI CHECK: the network of a pod is not what it was');
    }
  }

  /** GC, once for each network that comes into force. */
  #collectOnce(config: NetworkConfig): void {
    if (this.#collected.has(config.name)) return;
    this.#collected.add(config.name);
    void this.#collect(config).catch((error: unknown) => {
      this.#warn({ network: config.name, error }, 'CNI GC failed');
    });
  }

  async #collect(config: NetworkConfig): Promise<void> {
    if (config.disableGc) return;
    const version = await this.#versions.agree(config);
    await this.#gate.alone(async () => {
      const valid = this.#store
        .all()
        .filter(({ id, config: { name } }) => name === config.name && !this.#deletions.isOwed(id));
      const ids = valid.map(({ id }) => id);
      await gcChain(this.#deps, { config, version }, ids);
    });
  }

  /** Of work that nobody waits for, unless it was us who ended it. */
  #warn(fields: Readonly<Record<string, unknown>>, message: string): void {
    if (!this.#ender.signal.aborted) this.#log.warn(fields, message);
  }

  #tellChange(found: Found): void {
    const told = JSON.stringify(found);
    if (told === this.#told) return;
    this.#told = told;
    if (found.kind === 'broken') {
      const { file, reason } = found;
      return this.#log.warn({ file, reason }, 'a CNI configuration cannot be used');
    }
    if (found.kind === 'none') {
      return this.#log.info({ directory: this.#confDir }, 'there is no CNI configuration');
    }
    const { file, config } = found;
    const plugins = config.plugins.map(({ type }) => type);
    this.#log.info({ file, network: config.name, plugins }, 'a CNI configuration is in force');
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
