import { Fault } from '#errors/fault.ts';
import { isJsonObject, type JsonObject, jsonObjects, parseJsonObject } from './json-object.ts';
import { isSpecVersion, specVersions, type SpecVersion } from './spec-version.ts';

/** What a plugin is told of the network; all but `type` is between the operator and the plugin. */
export type PluginConfig = JsonObject & { readonly type: string };

/** A network as an operator, or the cluster's network provider, configured it (SPEC.md, section 1). */
export type NetworkConfig = {
  readonly name: string;
  /** Those that it is written for and that we speak; at least one. */
  readonly versions: readonly SpecVersion[];
  readonly disableCheck: boolean;
  readonly disableGc: boolean;
  readonly loadOnlyInlinedPlugins: boolean;
  /** In the order of ADD. May be empty while those beside the file are not there yet. */
  readonly plugins: readonly PluginConfig[];
};

/**
 * Reads a configuration: a list of plugins or, as before version 1.0, that of a single one. An
 * `invalid-argument` Fault says what is wrong with it.
 */
export function parseNetworkConfig(text: string): NetworkConfig {
  const parsed = parseJsonObject(text);
  if (parsed === undefined)
    throw refusal(text.trim() === '' ? 'it is empty' : 'it is no JSON object');
  const isSingle = parsed['plugins'] === undefined && parsed['type'] !== undefined;
  const list: JsonObject = isSingle ? { ...parsed, plugins: [parsed] } : parsed;
  const loadOnlyInlinedPlugins = flag(list, 'loadOnlyInlinedPlugins');
  if (list['plugins'] === undefined && loadOnlyInlinedPlugins) {
    throw refusal('it has no "plugins", and "loadOnlyInlinedPlugins" allows no others');
  }
  return {
    name: networkName(list['name']),
    versions: versionsOf(list),
    disableCheck: flag(list, 'disableCheck'),
    disableGc: flag(list, 'disableGC'),
    // A single plugin has nothing to be completed with.
    loadOnlyInlinedPlugins: loadOnlyInlinedPlugins || isSingle,
    plugins: list['plugins'] === undefined ? [] : inlinedPlugins(list['plugins']),
  };
}

/** Reads the configuration of one plugin, as files beside a list hold them. */
export function parsePluginConfig(text: string): PluginConfig {
  return pluginConfig(parseJsonObject(text), 'it');
}

/** The configuration as a list for one version, which parseNetworkConfig() reads back. */
export function networkConfigText(config: NetworkConfig, version: SpecVersion): string {
  return JSON.stringify({
    cniVersion: version,
    name: config.name,
    disableCheck: config.disableCheck,
    disableGC: config.disableGc,
    loadOnlyInlinedPlugins: true,
    plugins: config.plugins,
  });
}

function networkName(name: unknown): string {
  if (typeof name === 'string' && /^[a-zA-Z0-9][\w.-]*$/.test(name)) return name;
  throw refusal(
    name === undefined ? 'it has no "name"' : `${JSON.stringify(name)} is no name for a network`,
  );
}

/** Without any, a configuration is of the oldest version, which had no field for it. */
function versionsOf(list: JsonObject): SpecVersion[] {
  const { cniVersion, cniVersions = [] } = list;
  const given: unknown[] = [...(Array.isArray(cniVersions) ? cniVersions : [cniVersions])];
  if (cniVersion !== undefined && cniVersion !== '') given.push(cniVersion);
  if (given.length === 0) given.push('0.1.0');
  const known = specVersions.filter((version) => given.includes(version));
  if (known.length > 0) return known.filter(isSpecVersion);
  const texts = given.map((version) => JSON.stringify(version)).join(', ');
  throw refusal(`its version is ${texts}; those up to ${specVersions.at(-1)} are known`);
}

function inlinedPlugins(plugins: unknown): PluginConfig[] {
  const objects = jsonObjects(plugins);
  if (objects === undefined) throw refusal('its "plugins" are no list of objects');
  if (objects.length === 0) throw refusal('its list of plugins is empty');
  return objects.map((plugin, index) => pluginConfig(plugin, `plugin ${index + 1}`));
}

function pluginConfig(plugin: JsonObject | undefined, subject: string): PluginConfig {
  if (plugin === undefined) throw refusal(`${subject} is no JSON object`);
  const { type } = plugin;
  if (typeof type !== 'string' || !/^[^/\\\0]+$/.test(type) || type === '.' || type === '..') {
    throw refusal(
      type === undefined
        ? `${subject} has no "type"`
        : `${subject}: ${JSON.stringify(type)} is no name of a plugin`,
    );
  }
  if (plugin['capabilities'] !== undefined && !isJsonObject(plugin['capabilities'])) {
    throw refusal(`${subject}: its "capabilities" are no object`);
  }
  return { ...plugin, type };
}

/** Some write these as strings. */
function flag(list: JsonObject, key: string): boolean {
  const value = list[key] ?? false;
  if (typeof value === 'boolean') return value;
  const word = typeof value === 'string' ? value.toLowerCase() : '';
  if (word === 'true' || word === 'false') return word === 'true';
  throw refusal(`its "${key}" is neither true nor false`);
}

function refusal(reason: string): Fault {
  return new Fault('invalid-argument', reason);
}
