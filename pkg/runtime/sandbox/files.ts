import { readFileSync } from 'node:fs';
import { hostname as nodeHostname } from 'node:os';
import { writeWhole } from '#linux/write-file.ts';
import type { SandboxId } from '#runtime/id.ts';
import type { SandboxConfig } from './sandbox.ts';

type Paths = { readonly hostname: string; readonly hosts: string; readonly resolvConf: string };

/** The pod's host name: the one asked for, the node's for hostNetwork, else the short id. */
export function podHostname(id: SandboxId, config: SandboxConfig): string {
  if (config.hostname !== '') return config.hostname;
  return config.namespaces.network === 'node' ? nodeHostname() : id.slice(0, 12);
}

/** Writes the pod's /etc/hostname, /etc/hosts and /etc/resolv.conf, world-readable. */
export function writeSandboxFiles(paths: Paths, id: SandboxId, config: SandboxConfig): void {
  writeWhole(paths.hostname, `${podHostname(id, config)}\n`, 0o644);
  writeWhole(paths.hosts, readNodeFile('/etc/hosts'), 0o644);
  writeWhole(paths.resolvConf, resolvConf(config.dns), 0o644);
}

/** resolv.conf(5) of a DNS configuration; the node's own when there is none. */
export function resolvConf(dns: SandboxConfig['dns']): string {
  if (dns === undefined) return readNodeFile('/etc/resolv.conf');
  const lines = [
    ...(dns.searches.length > 0 ? [`search ${dns.searches.join(' ')}`] : []),
    ...dns.servers.map((server) => `nameserver ${server}`),
    ...(dns.options.length > 0 ? [`options ${dns.options.join(' ')}`] : []),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** A node may do without these files; its pods then get empty ones. */
function readNodeFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
