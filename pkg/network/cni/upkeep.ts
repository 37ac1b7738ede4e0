import type { AttachmentStore } from './attachment-store.ts';
import { gcChain } from './chain.ts';
import type { Gate } from './gate.ts';
import type { NetworkConfig } from './network-config.ts';
import type { OwedDeletions } from './owed-deletions.ts';
import type { PluginDeps } from './plugin.ts';
import type { PluginVersions } from './plugin-versions.ts';

export type UpkeepDeps = {
  readonly plugins: PluginDeps;
  readonly versions: PluginVersions;
  readonly store: AttachmentStore;
  readonly deletions: OwedDeletions;
  readonly gate: Gate;
};

/** What is done for the networks in the background, for nobody who asks. */
export class Upkeep {
  readonly #deps: UpkeepDeps;
  readonly #collected = new Set<string>();

  constructor(deps: UpkeepDeps) {
    this.#deps = deps;
  }

  /** Runs `work`; its failure is a warning, unless it was us who ended the plugins. */
  async attempt(
    work: () => Promise<void>,
    fields: Readonly<Record<string, unknown>>,
    message: string,
  ): Promise<void> {
    const { log, signal } = this.#deps.plugins;
    try {
      await work();
    } catch (error) {
      if (!signal.aborted) log.warn({ ...fields, error }, message);
    }
  }

  /** GC, the first time that this is called for a network. */
  collectOnce(config: NetworkConfig): void {
    if (config.disableGc || this.#collected.has(config.name)) return;
    this.#collected.add(config.name);
    void this.attempt(() => this.#collect(config), { network: config.name }, 'CNI GC failed');
  }

  async #collect(config: NetworkConfig): Promise<void> {
    const { plugins, versions, store, deletions, gate } = this.#deps;
    const version = await versions.agree(config);
    await gate.alone(async () => {
      const attachments = store.all().filter((one) => one.config.name === config.name);
      const valid = attachments.map(({ id }) => id).filter((id) => !deletions.isOwed(id));
      await gcChain(plugins, { config, version }, valid);
    });
  }
}
