import { stat } from 'node:fs/promises';
import { Fault } from '#errors/fault.ts';
import type { NetworkConfig } from './network-config.ts';
import { findPlugin, type PluginDeps, runPlugin } from './plugin.ts';
import { PluginFault } from './plugin-fault.ts';
import { isSpecVersion, newestCommon, specVersions, type SpecVersion } from './spec-version.ts';

/** Finds out which versions plugins speak, once for each program. */
export class PluginVersions {
  readonly #deps: PluginDeps;
  /** By path, inode, size and time of the program. */
  readonly #known = new Map<string, Promise<readonly SpecVersion[]>>();

  constructor(deps: PluginDeps) {
    this.#deps = deps;
  }

  /**
   * The newest version that the configuration is written for and that all of its plugins speak. One
   * that does not say what it speaks is taken at the word of who configured it.
   */
  async agree({ name, versions, plugins }: NetworkConfig): Promise<SpecVersion> {
    const types = [...new Set(plugins.map(({ type }) => type))];
    const spoken = await Promise.all(types.map((type) => this.#spokenBy(type)));
    const agreed = newestCommon(versions, ...spoken);
    if (agreed !== undefined) return agreed;
    const speak = types.map((type, index) => `"${type}" speaks ${spoken[index]?.join(', ')}`);
    throw new Fault(
      'failed-precondition',
      `agree on a CNI version: network "${name}" is written for ${versions.join(', ')}; ${speak.join('; ')}`,
    );
  }

  async #spokenBy(type: string): Promise<readonly SpecVersion[]> {
    const path = await findPlugin(this.#deps, type);
    const { ino, size, mtimeMs } = await stat(path);
    const key = [path, ino, size, mtimeMs].join(' ');
    const spoken = this.#known.get(key) ?? this.#ask(type);
    this.#known.set(key, spoken);
    return spoken.catch((error: unknown) => {
      this.#known.delete(key);
      throw error;
    });
  }

  async #ask(type: string): Promise<readonly SpecVersion[]> {
    try {
      const config = { cniVersion: specVersions.at(-1) };
      const answer = await runPlugin(this.#deps, { command: 'VERSION', type, config });
      return versionsIn(type, answer?.['supportedVersions']);
    } catch (error) {
      // VERSION came with 0.2.0.
      if (error instanceof PluginFault && /unknown CNI_COMMAND/i.test(error.message)) {
        return ['0.1.0'];
      }
      if (!(error instanceof PluginFault) || error.code === 'unavailable') throw error;
      // Other runtimes do not ask, so that there are plugins that cannot answer.
      this.#deps.log.warn(
        { plugin: type, error },
        'a CNI plugin does not say which versions it speaks',
      );
      return specVersions;
    }
  }
}

function versionsIn(type: string, supported: unknown): readonly SpecVersion[] {
  const versions = Array.isArray(supported) ? supported.filter(isSpecVersion) : [];
  if (versions.length > 0) return versions;
  throw new PluginFault(
    'internal',
    `run CNI plugin "${type}" (VERSION): it names no version that is known`,
  );
}
