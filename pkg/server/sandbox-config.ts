import { resolve } from 'node:path';
import type * as cri from '#api/cri/v1/types.ts';
import { Fault } from '#errors/fault.ts';
import { given } from '#runtime/given.ts';
import type {
  IdMapping,
  NamespaceModes,
  PortMapping,
  SandboxConfig,
} from '#runtime/sandbox/sandbox.ts';
import { userNamespace } from './user-namespace.ts';
import { absolutePath, enumMember, required } from './required.ts';
import { checkLabels, oneWord, refuseNul } from './texts.ts';

/** The kernel's limit for a host name (gethostname(2)). */
const maxHostnameBytes = 64;

/** Checks a PodSandboxConfig and turns it into the runtime's own form. */
export function sandboxConfig(
  message: cri.PodSandboxConfig | null,
  runtimeHandler: string,
): SandboxConfig {
  const config = required(message, 'config');
  refuseNul(config, 'config');
  checkLabels(config, 'config');
  const metadata = required(config.metadata, 'config.metadata');
  const { dnsConfig, linux } = config;
  const security = linux?.securityContext;
  return {
    metadata: {
      name: required(metadata.name, 'config.metadata.name'),
      namespace: required(metadata.namespace, 'config.metadata.namespace'),
      uid: required(metadata.uid, 'config.metadata.uid'),
      attempt: metadata.attempt,
    },
    hostname: checkHostname(config.hostname),
    logDirectory:
      config.logDirectory === '' ? '' : absolutePath(config.logDirectory, 'config.log_directory'),
    ...(dnsConfig === null
      ? {}
      : {
          dns: {
            servers: words(dnsConfig.servers, 'config.dns_config.servers'),
            searches: words(dnsConfig.searches, 'config.dns_config.searches'),
            options: words(dnsConfig.options, 'config.dns_config.options'),
          },
        }),
    portMappings: config.portMappings.map(portMapping),
    labels: config.labels,
    annotations: config.annotations,
    cgroupParent: cgroupParent(linux?.cgroupParent ?? ''),
    sysctls: linux?.sysctls ?? {},
    namespaces: podNamespaces(security?.namespaceOptions),
    privileged: security?.privileged ?? false,
    ...given({ userNamespace: podUserNamespace(security?.namespaceOptions) }),
    runtimeHandler,
  };
}

/** A pod's own; a container's may also be those of another container. */
function podNamespaces(options: cri.NamespaceOption | null | undefined): NamespaceModes {
  const modes = sandboxNamespaces(options);
  if (typeof modes.pid === 'string') return modes;
  const field = 'linux.security_context.namespace_options.pid';
  throw new Fault('invalid-argument', `${field}: TARGET is for containers`);
}

/** Namespace options. Without any, the CRI's default: all namespaces are shared in the pod. */
export function sandboxNamespaces(options: cri.NamespaceOption | null | undefined): NamespaceModes {
  const field = 'linux.security_context.namespace_options';
  if (options === null || options === undefined) return { network: 'pod', ipc: 'pod', pid: 'pod' };
  const podOrNode = { 0: 'pod', 2: 'node' } as const;
  return {
    network: enumMember(podOrNode, options.network, `${field}.network`),
    ipc: enumMember(podOrNode, options.ipc, `${field}.ipc`),
    pid:
      options.pid === 3
        ? { target: required(options.targetId, `${field}.target_id`) }
        : enumMember({ 0: 'pod', 1: 'container', 2: 'node' } as const, options.pid, `${field}.pid`),
  };
}

function podUserNamespace(options: cri.NamespaceOption | null | undefined): IdMapping | undefined {
  const mapping = userNamespace(options);
  if (mapping === undefined || options?.network !== 2) return mapping;
  throw new Fault(
    'invalid-argument',
    'linux.security_context.namespace_options: a pod with a user namespace has a network of its own',
  );
}

/** An absolute path or, for systemd, the name of a slice. */
function cgroupParent(value: string): string {
  const field = 'config.linux.cgroup_parent';
  if (value === '' || /^[^/]+\.slice$/.test(value)) return value;
  return resolve(absolutePath(oneWord(value, field), field));
}

function portMapping(mapping: cri.PortMapping, index: number): PortMapping {
  const field = `config.port_mappings[${index}]`;
  return {
    protocol: enumMember(
      { 0: 'tcp', 1: 'udp', 2: 'sctp' } as const,
      mapping.protocol,
      `${field}.protocol`,
    ),
    containerPort: port(mapping.containerPort, `${field}.container_port`),
    hostPort: port(mapping.hostPort, `${field}.host_port`),
    hostIp: mapping.hostIp,
  };
}

function port(value: number, field: string): number {
  if (value >= 0 && value <= 65_535) return value;
  throw new Fault('invalid-argument', `${field}: ${value} is no port`);
}

function checkHostname(hostname: string): string {
  if (Buffer.byteLength(hostname) > maxHostnameBytes) {
    throw new Fault('invalid-argument', `config.hostname: longer than ${maxHostnameBytes} bytes`);
  }
  if (hostname === '') return '';
  if (!hostname.includes('/')) return oneWord(hostname, 'config.hostname');
  throw new Fault('invalid-argument', `config.hostname: "${hostname}" is no host name`);
}

function words(values: readonly string[], field: string): readonly string[] {
  return values.map((value, index) => oneWord(value, `${field}[${index}]`));
}
