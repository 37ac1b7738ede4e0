import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { describe, isErrno } from '#errors/fault.ts';
import { type NetworkConfig, parseNetworkConfig, parsePluginConfig } from './network-config.ts';

/** What the directory of configurations says now. */
export type Found =
  | { readonly kind: 'none' }
  /** The file that counts cannot be used. */
  | { readonly kind: 'broken'; readonly file: string; readonly reason: string }
  | { readonly kind: 'valid'; readonly file: string; readonly config: NetworkConfig };

/**
 * Reads the first configuration in the directory, by the names of the files. Should that one be
 * broken, the next one does not take its place: pods would come into a network that is not meant.
 *
 * It is read whenever it is asked for, which takes a tenth of a millisecond, and not watched: inotify
 * tells nothing of a directory that is replaced, or made later, nor of files behind symbolic links.
 */
export async function readConfigDirectory(directory: string): Promise<Found> {
  // A file may go between the listing and the reading.
  for (let attempt = 0; ; attempt++) {
    const found = await readOnce(directory);
    if (found.kind !== 'changed') return found;
    const { file } = found;
    // Of a link that leads nowhere it is the same, every time.
    if (attempt === 3) return { kind: 'broken', file, reason: 'it, or what it links to, is gone' };
  }
}

async function readOnce(
  directory: string,
): Promise<Found | { readonly kind: 'changed'; readonly file: string }> {
  let file = directory;
  try {
    const [first] = await filesWith(directory, ['.conf', '.conflist', '.json']);
    if (first === undefined) return { kind: 'none' };
    file = first;
    const config = parseNetworkConfig(await readText(file));
    return { kind: 'valid', file, config: await withPluginsBeside(directory, config) };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return { kind: 'changed', file };
    return { kind: 'broken', file, reason: describe(error) };
  }
}

/** Plugins may be configured one by one, in a folder named after the network (SPEC.md, section 1). */
async function withPluginsBeside(directory: string, config: NetworkConfig): Promise<NetworkConfig> {
  const files = config.loadOnlyInlinedPlugins
    ? []
    : await filesWith(join(directory, config.name), ['.conf']);
  const beside = await Promise.all(
    files.map(async (file) => {
      const text = await readText(file);
      try {
        return parsePluginConfig(text);
      } catch (cause) {
        throw new Error(`"${file}"`, { cause });
      }
    }),
  );
  const plugins = [...config.plugins, ...beside];
  if (plugins.length > 0) return { ...config, plugins };
  throw new Error('it has no plugins, nor are there any beside it');
}

/** A pipe or a device, also behind a link, might never come to its end. */
async function readText(file: string): Promise<string> {
  if ((await stat(file)).isFile()) return readFile(file, 'utf8');
  throw new Error('it is no regular file');
}

async function filesWith(directory: string, extensions: readonly string[]): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory() && extensions.includes(extname(entry.name)))
      .map(({ name }) => name)
      .toSorted()
      .map((name) => join(directory, name));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}
