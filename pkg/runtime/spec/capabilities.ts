import { Fault } from '#errors/fault.ts';
import { allCapabilities } from '#linux/capabilities.ts';

/** What a container gets when it asks for nothing: containerd's list, and Docker's. */
const defaults =
  'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE'
    .split(' ')
    .map((name) => `CAP_${name}`);

type Wishes = {
  readonly privileged: boolean;
  readonly addCapabilities: readonly string[];
  readonly dropCapabilities: readonly string[];
};

/**
 * The capabilities of a container, such as `CAP_CHOWN`: add ALL, then drop ALL, then single additions,
 * then single drops, so that `drop: ALL, add: X` gives X alone. What the daemon itself has not got
 * (`bounding`) it cannot give.
 */
export function containerCapabilities(wishes: Wishes, bounding: ReadonlySet<string>): string[] {
  const add = wishes.addCapabilities.map(normalize);
  const drop = wishes.dropCapabilities.map(normalize);
  const all = wishes.privileged || add.includes('CAP_ALL');
  const base =
    drop.includes('CAP_ALL') && !wishes.privileged ? [] : all ? allCapabilities : defaults;
  for (const name of [...add, ...drop]) checkKnown(name);
  const wanted = new Set([...base, ...add]);
  for (const name of drop) wanted.delete(name);
  return allCapabilities.filter((name) => wanted.has(name) && bounding.has(name));
}

/** `net_admin`, `NET_ADMIN` and `CAP_NET_ADMIN` are the same. */
function normalize(name: string): string {
  const upper = name.toUpperCase();
  return upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
}

function checkKnown(name: string): void {
  if (name === 'CAP_ALL' || allCapabilities.includes(name)) return;
  throw new Fault(
    'invalid-argument',
    `linux.security_context.capabilities: unknown capability "${name}"`,
  );
}
