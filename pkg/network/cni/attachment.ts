import { Fault } from '#errors/fault.ts';
import { capabilityArgsOf } from './capabilities.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from './json-object.ts';
import { type NetworkConfig, networkConfigText, parseNetworkConfig } from './network-config.ts';
import type { CniPod } from './pod.ts';
import type { SpecVersion } from './spec-version.ts';

/** What the interface is called in every pod. */
export const interfaceName = 'eth0';

/**
 * A pod in a network of plugins, with all that its DEL needs: the configuration as it was, whatever
 * has become of the file since.
 */
export type Attachment = {
  readonly id: string;
  readonly netnsPath: string;
  readonly config: NetworkConfig;
  readonly version: SpecVersion;
  readonly args: readonly (readonly [string, string])[];
  readonly capabilityArgs: JsonObject;
  /** Of the whole ADD, in the words of `version`; absent until it succeeds. */
  readonly result?: JsonObject;
};

export function newAttachment(
  pod: CniPod,
  config: NetworkConfig,
  version: SpecVersion,
): Attachment {
  return {
    id: pod.id,
    netnsPath: pod.netnsPath,
    config,
    version,
    args: [
      ['IgnoreUnknown', '1'],
      ['K8S_POD_NAMESPACE', argument(pod.namespace)],
      ['K8S_POD_NAME', argument(pod.name)],
      ['K8S_POD_INFRA_CONTAINER_ID', pod.id],
      ['K8S_POD_UID', argument(pod.uid)],
    ],
    capabilityArgs: capabilityArgsOf(pod),
  };
}

/** The name of its file, and its text, both as the Go library of CNI has them in its cache. */
export function fileNameOf({ id, config }: Attachment): string {
  return `${config.name}-${id}-${interfaceName}`;
}

export function attachmentText(attachment: Attachment): string {
  const { id, netnsPath, config, version, args, capabilityArgs, result } = attachment;
  return JSON.stringify({
    kind: 'cniCacheV1',
    containerId: id,
    config: Buffer.from(networkConfigText(config, version)).toString('base64'),
    ifName: interfaceName,
    networkName: config.name,
    netns: netnsPath,
    cniArgs: args,
    capabilityArgs,
    ...(result === undefined ? {} : { result }),
  });
}

/** Reads back what attachmentText() wrote; throws when it is something else. */
export function parseAttachment(text: string): Attachment {
  const cached = parseJsonObject(text) ?? {};
  const { kind, containerId, netns, cniArgs, capabilityArgs, result } = cached;
  const config = parseNetworkConfig(Buffer.from(String(cached['config']), 'base64').toString());
  const [version] = config.versions;
  const isWhole =
    kind === 'cniCacheV1' &&
    typeof containerId === 'string' &&
    typeof netns === 'string' &&
    isPairs(cniArgs) &&
    isJsonObject(capabilityArgs);
  if (!isWhole || version === undefined) throw new Error('it is no attachment');
  return {
    id: containerId,
    netnsPath: netns,
    config,
    version,
    args: cniArgs,
    capabilityArgs,
    ...(isJsonObject(result) ? { result } : {}),
  };
}

function isPairs(value: unknown): value is readonly [string, string][] {
  return (
    Array.isArray(value) &&
    value.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every(isString))
  );
}

function isString(value: unknown): value is string {
  return typeof value === 'string';
}

/** In CNI_ARGS nothing can be quoted. */
function argument(value: string): string {
  // oxlint-disable-next-line no-control-regex -- none of these can be in an environment
  if (!/[;\x00-\x1f]/.test(value)) return value;
  const text = JSON.stringify(value);
  throw new Fault(
    'invalid-argument',
    `tell CNI plugins of ${text}: it has characters that part arguments`,
  );
}
