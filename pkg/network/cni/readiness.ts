import { setTimeout as delay } from 'node:timers/promises';
import { describe, Fault } from '#errors/fault.ts';
import { type AgreedNetwork, statusChain } from './chain.ts';
import type { Found } from './config-directory.ts';
import type { PluginDeps } from './plugin.ts';
import { limitedConnectivity, PluginFault } from './plugin-fault.ts';
import type { PluginVersions } from './plugin-versions.ts';

/** As a node's condition has it. `reason` is a CamelCase word, `message` a sentence. */
export type CniReadiness =
  | { readonly ready: true }
  | { readonly ready: false; readonly reason: string; readonly message: string };

/** Plugins are asked no more often; those that were not ready sooner than the others. */
const maxAgeMs = { ready: 10_000, notReady: 2_000 };
/** Whoever asks waits this long for the plugins, and gets the finding before that. */
const patienceMs = 1_000;

type Finding = { readonly config: string; readonly at: number; readonly readiness: CniReadiness };

/** Whether the plugins of the network in force can serve an ADD: they are there, and say so. */
export class ReadinessProbe {
  readonly #deps: PluginDeps;
  readonly #versions: PluginVersions;
  #latest: Finding | undefined;
  #asking: { readonly config: string; readonly done: Promise<void> } | undefined;

  constructor(deps: PluginDeps, versions: PluginVersions) {
    this.#deps = deps;
    this.#versions = versions;
  }

  /** The latest finding about this configuration, after a moment in which a newer one may come. */
  async readiness(found: Found & { readonly kind: 'valid' }): Promise<CniReadiness> {
    const config = JSON.stringify(found);
    const known = this.#latest?.config === config ? this.#latest : undefined;
    if (known !== undefined && isFresh(known)) return known.readiness;
    if (this.#asking?.config !== config) {
      this.#asking = { config, done: this.#ask(config, found) };
    }
    // A plugin that hangs must not make the runtime itself seem dead.
    const patience = new AbortController();
    await Promise.race([
      this.#asking.done,
      delay(patienceMs, undefined, { signal: patience.signal }).catch(() => {}),
    ]);
    patience.abort();
    const latest = this.#latest?.config === config ? this.#latest.readiness : undefined;
    const message = `the plugins of CNI network "${found.config.name}" have not answered yet`;
    return latest ?? { ready: false, reason: 'CniPluginsSilent', message };
  }

  async #ask(config: string, { config: network }: Found & { kind: 'valid' }): Promise<void> {
    const readiness = await this.#probe(network);
    if (this.#asking?.config !== config) return;
    this.#asking = undefined;
    this.#latest = { config, at: performance.now(), readiness };
  }

  async #probe(config: AgreedNetwork['config']): Promise<CniReadiness> {
    try {
      const version = await this.#versions.agree(config);
      await statusChain(this.#deps, { config, version });
      return { ready: true };
    } catch (error) {
      return notReady(error);
    }
  }
}

function isFresh({ at, readiness }: Finding): boolean {
  return performance.now() - at < (readiness.ready ? maxAgeMs.ready : maxAgeMs.notReady);
}

function notReady(error: unknown): CniReadiness {
  const isLimited = error instanceof PluginFault && error.pluginCode === limitedConnectivity;
  const told = isLimited ? '; pods that are connected already may not get far' : '';
  const isOurs = error instanceof Fault && !(error instanceof PluginFault);
  return {
    ready: false,
    reason: isOurs ? 'CniPluginUnusable' : 'CniPluginNotReady',
    message: `${describe(error)}${told}`,
  };
}
