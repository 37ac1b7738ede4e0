import { writeFileSync } from 'node:fs';
import { Fault, isErrno } from '#errors/fault.ts';
import type { NamespaceKind } from './namespace-home.ts';
import { readIfThere } from './read-file.ts';

/**
 * What a new network namespace gets unless told otherwise: ports below 1024 and ping need no
 * privilege where all of the network belongs to one pod.
 */
export const defaultNetSysctls: Readonly<Record<string, string>> = {
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0 2147483647',
};

/** Which namespace holds a sysctl of its own. Anything else would change the whole machine. */
const owners: readonly (readonly [pattern: RegExp, kind: NamespaceKind])[] = [
  [/^net\//, 'net'],
  [/^kernel\/(?:shm|msg|sem)[^/]*$/, 'ipc'],
  [/^fs\/mqueue\//, 'ipc'],
  [/^kernel\/(?:hostname|domainname)$/, 'uts'],
];

/** A setting to be written below /proc/sys; `name` is as it was asked for. */
export type Sysctl = { readonly name: string; readonly path: string; readonly value: string };

/** What to write for `wanted` in new namespaces of these kinds. Refuses what none of them holds. */
export function plannedSysctls(
  wanted: Readonly<Record<string, string>>,
  kinds: readonly NamespaceKind[],
): Sysctl[] {
  return Object.entries(wanted).map(([name, value]) => {
    const path = sysctlPath(name);
    const kind = owners.find(([pattern]) => pattern.test(path))?.[1];
    if (kind !== undefined && kinds.includes(kind)) return { name, path, value };
    const reason =
      kind === undefined
        ? 'it belongs to the whole machine'
        : `the pod has no ${kind} namespace of its own`;
    throw new Fault('invalid-argument', `set sysctl "${name}" to "${value}": ${reason}`);
  });
}

/**
 * Both notations of sysctl(8): whichever of `.` and `/` comes first parts the name, the other one
 * belongs to a part (`net/ipv4/conf/eth0.100/forwarding`).
 */
function sysctlPath(name: string): string {
  const path = /^[^./]*\./.test(name) ? name.replaceAll(/[./]/g, swapSeparator) : name;
  if (path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')) return path;
  throw new Fault('invalid-argument', `malformed sysctl name "${name}"`);
}

/** Writes one sysctl in the calling thread's namespaces. */
export function writeSysctl({ name, path, value }: Sysctl): void {
  try {
    writeFileSync(`/proc/sys/${path}`, value, { flag: 'r+' });
  } catch (cause) {
    const isOurs = isErrno(cause, 'EMFILE', 'ENFILE', 'ENOMEM');
    const code = isOurs ? 'internal' : 'invalid-argument';
    throw new Fault(code, `set sysctl "${name}" to "${value}"`, { cause });
  }
}

/** A setting of the calling thread's namespaces, by its path below /proc/sys; undefined without such. */
export function readSysctl(path: string): string | undefined {
  return readIfThere(`/proc/sys/${path}`)?.trim();
}

/** Sets what the kernel has. Left alone when it is so: writing can cost a walk over all links. */
export function setIfThere(path: string, value: string): void {
  const present = readSysctl(path);
  if (present !== undefined && present !== value) writeSysctl({ name: path, path, value });
}

/** Sets what has one particular value now, and nothing else. */
export function replaceSysctl(path: string, present: string, value: string): void {
  if (readSysctl(path) === present) writeSysctl({ name: path, path, value });
}

function swapSeparator(separator: string): string {
  return separator === '.' ? '/' : '.';
}
