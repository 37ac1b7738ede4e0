import { isIP } from 'node:net';
import { Fault } from '#errors/fault.ts';
import { bandwidthOf } from './bandwidth.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import type { CniPod } from './pod.ts';

/**
 * By which a pod asks for addresses and a MAC of its own in its first network: a JSON list with one
 * object, of which `ips` and `mac` count here. It is the Network Plumbing Working Group's form, under
 * the name by which Multus knows the first network.
 */
export const defaultNetworkAnnotation = 'v1.multus-cni.io/default-network';

/**
 * What plugins are told of this one pod, by capability (CONVENTIONS.md, "Well-known Capabilities").
 * Each plugin gets those that its configuration names.
 */
export function capabilityArgsOf(pod: CniPod): JsonObject {
  const { annotations, dns, cgroupPath } = pod;
  const portMappings = pod.portMappings
    .filter(({ hostPort }) => hostPort !== 0)
    .map(({ protocol, containerPort, hostPort, hostIp }) => ({
      hostPort,
      containerPort,
      protocol,
      hostIP: hostIp,
    }));
  const bandwidth = bandwidthOf(annotations);
  return {
    ...(portMappings.length === 0 ? {} : { portMappings }),
    ...(bandwidth === undefined ? {} : { bandwidth }),
    ...(dns === undefined ? {} : { dns }),
    ...askedFor(annotations),
    cgroupPath,
    // Not of CONVENTIONS.md: other runtimes give them under this name, and plugins know it.
    'io.kubernetes.cri.pod-annotations': annotations,
  };
}

function askedFor(annotations: CniPod['annotations']): { ips?: readonly string[]; mac?: string } {
  const text = annotations[defaultNetworkAnnotation]?.trim();
  // The short form is a name, and asks for nothing else.
  if (text === undefined || !text.startsWith('[')) return {};
  const refuse = (reason: string): Fault =>
    new Fault('invalid-argument', `annotation "${defaultNetworkAnnotation}": ${reason}`);
  const element = onlyElement(text);
  if (element === undefined) throw refuse('it is no JSON list of one object');
  const { ips, mac } = element;
  if (ips !== undefined && !isAddressList(ips)) throw refuse('its "ips" are no list of addresses');
  if (mac !== undefined && !isMac(mac)) throw refuse('its "mac" is no MAC address');
  return { ...(ips === undefined ? {} : { ips }), ...(mac === undefined ? {} : { mac }) };
}

function onlyElement(text: string): JsonObject | undefined {
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.length === 1 && isJsonObject(list[0]) ? list[0] : undefined;
  } catch {
    return undefined;
  }
}

/** Each with or without the length of its prefix. */
function isAddressList(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.every((item) => typeof item === 'string' && isIP(item.replace(/\/\d{1,3}$/, '')) !== 0)
  );
}

function isMac(value: unknown): value is string {
  return typeof value === 'string' && /^[\da-f]{2}(:[\da-f]{2}){5}$/i.test(value);
}
