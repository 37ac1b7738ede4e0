import { closeSync, openSync } from 'node:fs';
import { Fault } from '#errors/fault.ts';
import { check, setns } from './libc.ts';

/** The kinds of namespace that a pod gets of its own, with their flags for unshare(2) and setns(2). */
export const namespaceFlags = { net: 0x4000_0000, ipc: 0x0800_0000, uts: 0x0400_0000 } as const;
export type NamespaceKind = keyof typeof namespaceFlags;
export const namespaceKinds = ['net', 'ipc', 'uts'] as const satisfies NamespaceKind[];

/** The namespaces in which a thread began, held open so that it finds back to them. */
export type HomeNamespaces = Readonly<Record<NamespaceKind, number>>;

/** The thread could not get back to its home: it must not serve anybody any more. */
export class StrandedFault extends Fault {}

/** Opens the calling thread's own namespaces; they stay open for the thread's life. */
export function openHomeNamespaces(): HomeNamespaces {
  return { net: openOwn('net'), ipc: openOwn('ipc'), uts: openOwn('uts') };
}

export function closeHomeNamespaces(home: HomeNamespaces): void {
  for (const kind of namespaceKinds) closeSync(home[kind]);
}

/**
 * Runs `act`, which may change the calling thread's namespaces, and brings the thread home whatever
 * happened. When the way back is barred the error is a StrandedFault.
 */
export function awayFrom<Result>(home: HomeNamespaces, act: () => Result): Result {
  try {
    return act();
  } finally {
    goHome(home);
  }
}

/** As awayFrom, with the thread in the network namespace that is open as `netnsFd`. */
export function insideNetns<Result>(
  home: HomeNamespaces,
  netnsFd: number,
  act: () => Result,
): Result {
  return awayFrom(home, () => {
    check(setns(netnsFd, namespaceFlags.net), 'setns', 'network namespace');
    return act();
  });
}

function openOwn(kind: NamespaceKind): number {
  return openSync(`/proc/thread-self/ns/${kind}`, 'r');
}

function goHome(home: HomeNamespaces): void {
  try {
    for (const kind of namespaceKinds) {
      check(setns(home[kind], namespaceFlags[kind]), 'setns', `the host's ${kind} namespace`);
    }
  } catch (cause) {
    throw new StrandedFault('internal', "return to the host's namespaces", { cause });
  }
}
