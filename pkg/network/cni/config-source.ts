import type { Log } from '#log/log.ts';
import { type Found, readConfigDirectory } from './config-directory.ts';

/** The configuration in force, and the log of what came into force when. */
export class ConfigSource {
  readonly #directory: string;
  readonly #log: Log;
  #told = '';

  constructor(directory: string, log: Log) {
    this.#directory = directory;
    this.#log = log;
  }

  /** What the directory says at this moment. */
  async read(): Promise<Found> {
    const found = await readConfigDirectory(this.#directory);
    const told = JSON.stringify(found);
    if (told !== this.#told) this.#tell(found);
    this.#told = told;
    return found;
  }

  #tell(found: Found): void {
    switch (found.kind) {
      case 'none':
        return this.#log.info({ directory: this.#directory }, 'there is no CNI configuration');
      case 'broken': {
        const { file, reason } = found;
        return this.#log.warn({ file, reason }, 'a CNI configuration cannot be used');
      }
      case 'valid': {
        const { file, config } = found;
        const plugins = config.plugins.map(({ type }) => type);
        const fields = { file, network: config.name, plugins };
        return this.#log.info(fields, 'a CNI configuration is in force');
      }
    }
  }
}
