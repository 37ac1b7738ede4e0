import { statfs } from 'node:fs/promises';
import { describe, isErrno } from '#errors/fault.ts';
import { type Attachment, interfaceName } from './attachment.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import type { NetworkConfig, PluginConfig } from './network-config.ts';
import { type PluginCommand, type PluginDeps, runPlugin } from './plugin.ts';
import { PluginFault } from './plugin-fault.ts';
import { type Addresses, addressesIn, resultIn } from './result.ts';
import { isAtLeast, type SpecVersion } from './spec-version.ts';

/** ADD: each plugin works on what the one before made. Returns the last one's result. */
export async function addChain(
  deps: PluginDeps,
  attachment: Attachment,
): Promise<{ readonly result: JsonObject; readonly addresses: Addresses }> {
  const { config, version } = attachment;
  const env = attachmentEnv(attachment, attachment.netnsPath);
  let result: JsonObject | undefined;
  for (const plugin of config.plugins) {
    const request = requestOf(attachment, plugin, result);
    const answer = await runPlugin(deps, {
      command: 'ADD',
      type: plugin.type,
      config: request,
      env,
    });
    result = inTheNameOf(plugin.type, () => resultIn(version, answer));
  }
  const last = config.plugins.at(-1)?.type ?? '';
  const whole = result ?? {};
  return {
    result: whole,
    addresses: inTheNameOf(last, () => addressesIn(whole, interfaceName)),
  };
}

/** DEL, in reverse order. Right also when ADD failed anywhere, and when the namespace is gone. */
export async function delChain(deps: PluginDeps, attachment: Attachment): Promise<void> {
  const { config, version, result } = attachment;
  const netnsPath = (await isNamespace(attachment.netnsPath)) ? attachment.netnsPath : '';
  const env = attachmentEnv(attachment, netnsPath);
  const previous = isAtLeast(version, '0.4.0') ? result : undefined;
  for (const plugin of config.plugins.toReversed()) {
    const request = requestOf(attachment, plugin, previous);
    await runPlugin(deps, { command: 'DEL', type: plugin.type, config: request, env });
  }
}

/** CHECK: rejects when something of the attachment is missing. Does nothing where that is not to be asked. */
export async function checkChain(deps: PluginDeps, attachment: Attachment): Promise<void> {
  const { config, version, result } = attachment;
  if (config.disableCheck || !isAtLeast(version, '0.4.0') || result === undefined) return;
  const env = attachmentEnv(attachment, attachment.netnsPath);
  for (const plugin of config.plugins) {
    const request = requestOf(attachment, plugin, result);
    await runPlugin(deps, { command: 'CHECK', type: plugin.type, config: request, env });
  }
}

/** A network and the version that is spoken with its plugins. */
export type AgreedNetwork = { readonly config: NetworkConfig; readonly version: SpecVersion };

/** STATUS: rejects when a plugin cannot serve an ADD now. Plugins before 1.1 are not asked. */
export async function statusChain(deps: PluginDeps, network: AgreedNetwork): Promise<void> {
  if (!isAtLeast(network.version, '1.1.0')) return;
  for (const plugin of network.config.plugins) await ask(deps, 'STATUS', { network, plugin });
}

/**
 * GC: tells the plugins which attachments there are, for them to clean up after all others. All are
 * told, whatever some of them answer. Plugins before 1.1 are not.
 */
export async function gcChain(
  deps: PluginDeps,
  network: AgreedNetwork,
  validIds: readonly string[],
): Promise<void> {
  const { config, version } = network;
  if (config.disableGc || !isAtLeast(version, '1.1.0')) return;
  const valid = validIds.map((containerID) => ({ containerID, ifname: interfaceName }));
  const extra = { 'cni.dev/valid-attachments': valid };
  const failures: unknown[] = [];
  for (const plugin of config.plugins) {
    await ask(deps, 'GC', { network, plugin, extra }).catch((error: unknown) =>
      failures.push(error),
    );
  }
  if (failures.length > 0) throw new AggregateError(failures, failures.map(describe).join('; '));
}

async function ask(
  deps: PluginDeps,
  command: PluginCommand,
  about: { network: AgreedNetwork; plugin: PluginConfig; extra?: object },
): Promise<void> {
  const { network, plugin, extra } = about;
  const config = { ...passedThrough(plugin), ...headOf(network), ...extra };
  await runPlugin(deps, { command, type: plugin.type, config });
}

/** What one plugin is told of an attachment (SPEC.md, "Deriving request configuration"). */
function requestOf(
  attachment: Attachment,
  plugin: PluginConfig,
  prevResult: JsonObject | undefined,
): object {
  const { capabilities } = plugin;
  const wanted = isJsonObject(capabilities) ? capabilities : {};
  const given = Object.entries(attachment.capabilityArgs).filter(([name]) => wanted[name] === true);
  return {
    ...passedThrough(plugin),
    ...headOf(attachment),
    ...(given.length === 0 ? {} : { runtimeConfig: Object.fromEntries(given) }),
    ...(prevResult === undefined ? {} : { prevResult }),
  };
}

function headOf({ config, version }: AgreedNetwork): object {
  return { cniVersion: version, name: config.name };
}

/** All that an operator wrote, but for what is between us and the plugins. */
function passedThrough(plugin: PluginConfig): object {
  const entries = Object.entries(plugin).filter(
    ([key]) => key !== 'capabilities' && !key.startsWith('cni.dev/'),
  );
  return Object.fromEntries(entries);
}

function attachmentEnv({ id, args }: Attachment, netnsPath: string): Record<string, string> {
  return {
    CNI_CONTAINERID: id,
    CNI_NETNS: netnsPath,
    CNI_IFNAME: interfaceName,
    CNI_ARGS: args.map((pair) => pair.join('=')).join(';'),
  };
}

const NSFS_MAGIC = 0x6e73_6673;

/** After a reboot there is none; plugins then give back what they hold without it. */
async function isNamespace(path: string): Promise<boolean> {
  try {
    return (await statfs(path)).type === NSFS_MAGIC;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

function inTheNameOf<Result>(type: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof PluginFault)) throw error;
    throw new PluginFault(error.code, `run CNI plugin "${type}" (ADD): ${error.message}`);
  }
}
