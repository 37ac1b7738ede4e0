import { BlockList, isIP } from 'node:net';
import { isJsonObject, type JsonObject, jsonObjects } from './json-object.ts';
import { PluginFault } from './plugin-fault.ts';
import { isAtLeast, isSpecVersion, type SpecVersion } from './spec-version.ts';

/** The addresses of a pod's interface, without prefix lengths, in the plugin's order; never empty. */
export type Addresses = readonly [string, ...string[]];

/**
 * A plugin's answer to ADD in the words of `version`: some answer in those of another one. With
 * version 0.3.0 lists of addresses came in the place of one for each family, with 1.0.0 these lost
 * their field `version`.
 */
export function resultIn(version: SpecVersion, answer: JsonObject | undefined): JsonObject {
  if (answer === undefined) throw refusal('it printed no result');
  const { cniVersion = version, ...rest } = answer;
  if (!isSpecVersion(cniVersion)) {
    throw refusal(`its result is of the unknown version ${JSON.stringify(cniVersion)}`);
  }
  const isOld = !isAtLeast(version, '0.3.0');
  if (isOld !== !isAtLeast(cniVersion, '0.3.0')) {
    if (isOld) throw refusal(`its result is of version ${cniVersion}, not ${version}`);
    return resultIn(version, { cniVersion: '0.3.0', ...modernized(rest) });
  }
  if (isOld) return { ...rest, cniVersion: version };
  const ips = jsonObjects(rest['ips'] ?? []);
  if (ips === undefined) throw refusal('the "ips" of its result are no list of objects');
  const ipsOfVersion = ips.map((ip) => addressIn(version, ip));
  return { ...rest, ...(ips.length > 0 ? { ips: ipsOfVersion } : {}), cniVersion: version };
}

/**
 * The addresses that a whole chain's result gives to the pod's interface. A PluginFault when there is
 * none, or one that no pod can have.
 */
export function addressesIn(result: JsonObject, interfaceName: string): Addresses {
  const isOld = result['ip4'] !== undefined || result['ip6'] !== undefined;
  const { ips, interfaces } = isOld ? modernized(result) : result;
  const links = jsonObjects(interfaces ?? []) ?? [];
  const texts = (jsonObjects(ips ?? []) ?? [])
    .filter((ip) => isOf(ip, links, interfaceName))
    .map(({ address }) => addressOf(address));
  const [first, ...others] = new Set(texts);
  if (first !== undefined) return [first, ...others];
  throw refusal(`the result has no address for "${interfaceName}"`);
}

function modernized({ ip4, ip6, ...rest }: JsonObject): JsonObject {
  const old = [ip4, ip6].filter(isJsonObject);
  const ips = old.map(({ ip, gateway }) => ({
    address: ip,
    ...(gateway === undefined ? {} : { gateway }),
  }));
  return { ...rest, ips, routes: old.flatMap(({ routes }) => jsonObjects(routes ?? []) ?? []) };
}

function addressIn(version: SpecVersion, { version: _, ...ip }: JsonObject): JsonObject {
  if (isAtLeast(version, '1.0.0')) return ip;
  return { version: String(ip['address']).includes(':') ? '6' : '4', ...ip };
}

/** Whether an address is on this interface of the pod: others may be on the host. */
function isOf(ip: JsonObject, links: readonly JsonObject[], interfaceName: string): boolean {
  const { interface: index } = ip;
  if (index === undefined || index === null) return true;
  const link = typeof index === 'number' ? links[index] : undefined;
  if (link === undefined) {
    throw refusal(
      `the result has an address for interface ${JSON.stringify(index)}, which it lacks`,
    );
  }
  const isInPod = typeof link['sandbox'] === 'string' && link['sandbox'] !== '';
  return isInPod && link['name'] === interfaceName;
}

/** Nobody can reach these from elsewhere. */
const unusable = new BlockList();
unusable.addSubnet('0.0.0.0', 8, 'ipv4');
unusable.addSubnet('127.0.0.0', 8, 'ipv4');
unusable.addSubnet('224.0.0.0', 4, 'ipv4');
unusable.addAddress('255.255.255.255', 'ipv4');
unusable.addSubnet('::', 127, 'ipv6');
unusable.addSubnet('ff00::', 8, 'ipv6');

function addressOf(cidr: unknown): string {
  const [address = '', length = ''] = typeof cidr === 'string' ? cidr.split('/') : [];
  const family = isIP(address);
  const isCidr =
    family !== 0 && /^\d{1,3}$/.test(length) && Number(length) <= (family === 4 ? 32 : 128);
  if (isCidr && !unusable.check(address, family === 4 ? 'ipv4' : 'ipv6')) return address;
  throw refusal(`the result has ${JSON.stringify(cidr)}, which is no address for a pod`);
}

function refusal(reason: string): PluginFault {
  return new PluginFault('internal', reason);
}
