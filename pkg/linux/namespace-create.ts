import { closeSync, openSync, rmSync } from 'node:fs';
import { check, sethostname, setns, unshare } from './libc.ts';
import { bindMount, unmount } from './mount.ts';
import {
  awayFrom,
  type HomeNamespaces,
  namespaceFlags,
  type NamespaceKind,
  namespaceKinds,
} from './namespace-home.ts';
import { defaultNetSysctls, plannedSysctls, writeSysctl } from './namespace-sysctl.ts';

/** Which namespaces to make, and the files at which they are pinned. */
export type NamespaceRequest = Readonly<Partial<Record<NamespaceKind, string>>> & {
  /** The name in the new `uts` namespace; without one it has no effect, least of all on the host. */
  readonly hostname?: string;
  /** Take those of this process, by its pid, instead of making new ones. */
  readonly of?: number;
  /** In either notation of sysctl(8); set on top of `defaultNetSysctls`. */
  readonly sysctls?: Readonly<Record<string, string>>;
};

/** The part of createNamespaces that runs in the system thread. */
export function makeNamespaces(home: HomeNamespaces, request: NamespaceRequest): void {
  const files = namespaceKinds.flatMap((kind) => {
    const path = request[kind];
    return path === undefined ? [] : [{ kind, path }];
  });
  const kinds = files.map(({ kind }) => kind);
  const defaults = kinds.includes('net') ? defaultNetSysctls : {};
  const sysctls = plannedSysctls({ ...defaults, ...request.sysctls }, kinds);
  const pinned: string[] = [];
  try {
    awayFrom(home, () => {
      if (request.of === undefined) leaveFor(kinds);
      else enter(kinds, request.of);
      if (kinds.includes('uts') && request.hostname !== undefined) setHostname(request.hostname);
      sysctls.forEach(writeSysctl);
      for (const { kind, path } of files) {
        pin(kind, path);
        pinned.push(path);
      }
    });
  } catch (error) {
    pinned.forEach(unpin);
    throw error;
  }
}

/** Moves the calling thread into new namespaces. */
function leaveFor(kinds: readonly NamespaceKind[]): void {
  const flags = kinds.reduce((sum, kind) => sum | namespaceFlags[kind], 0);
  check(unshare(flags), 'unshare', kinds.join(', '));
}

/** Moves the calling thread into the namespaces of a process. */
function enter(kinds: readonly NamespaceKind[], pid: number): void {
  for (const kind of kinds) {
    const fd = openSync(`/proc/${pid}/ns/${kind}`, 'r');
    try {
      check(setns(fd, namespaceFlags[kind]), 'setns', `the ${kind} namespace of process ${pid}`);
    } finally {
      closeSync(fd);
    }
  }
}

/** Lets go of a namespace. Succeeds when it is pinned no more, or never was. */
export function unpin(path: string): void {
  unmount(path);
  rmSync(path, { force: true });
}

function setHostname(name: string): void {
  check(sethostname(name, Buffer.byteLength(name)), 'sethostname', name);
}

/** Binds the calling thread's namespace to a new file. */
function pin(kind: NamespaceKind, path: string): void {
  closeSync(openSync(path, 'wx', 0o444));
  try {
    bindMount(`/proc/thread-self/ns/${kind}`, path);
  } catch (error) {
    rmSync(path);
    throw error;
  }
}
