import { closeSync, openSync, writeFileSync } from 'node:fs';
import { Fault, faultCode } from '#errors/fault.ts';
import { openOutputPipe, startChild } from './child.ts';
import { bindMount } from './mount.ts';
import type { NamespaceRequest } from './namespace-create.ts';
import { createNamespaces, removeNamespace } from './namespace.ts';
import { programPath } from './program.ts';
import type { SystemThread } from './system-thread.ts';

/** Ids of a user namespace: from 0 on there they are the node's from `hostId` on, `length` of them. */
export type IdMapping = { readonly hostId: number; readonly length: number };

/** unshare(1), of util-linux, which every Linux system has. */
const unshareProgram = '/usr/bin/unshare';
const readyTimeoutMs = 10_000;
const flags = { net: '--net', ipc: '--ipc', uts: '--uts' } as const;

/**
 * As createNamespaces, with a user namespace beside them that owns them, pinned at `user`: what is
 * root there may configure them. A process with threads cannot make or enter one (user_namespaces(7)),
 * so a small helper does, and ends when everything is pinned.
 */
export async function createOwnedNamespaces(
  thread: SystemThread,
  {
    user,
    mapping,
    ...request
  }: NamespaceRequest & { readonly user: string; readonly mapping: IdMapping },
): Promise<void> {
  try {
    using helper = await startHelper(request);
    const map = `0 ${mapping.hostId} ${mapping.length}`;
    writeFileSync(`/proc/${helper.pid}/uid_map`, map);
    writeFileSync(`/proc/${helper.pid}/gid_map`, map);
    closeSync(openSync(user, 'wx', 0o444));
    bindMount(`/proc/${helper.pid}/ns/user`, user);
    await createNamespaces(thread, { ...request, of: helper.pid });
  } catch (cause) {
    await removeNamespace(thread, user);
    throw new Fault(faultCode(cause), 'create a user namespace', { cause });
  }
}

/** A process in new namespaces. It is killed with the scope. */
async function startHelper(
  request: NamespaceRequest,
): Promise<Disposable & { readonly pid: number }> {
  const kinds = (['net', 'ipc', 'uts'] as const).filter((kind) => request[kind] !== undefined);
  using ready = openOutputPipe();
  const child = startChild({
    path: unshareProgram,
    args: ['--user', ...kinds.map((kind) => flags[kind]), '/bin/sh', '-c', 'echo; exec sleep 60'],
    env: { PATH: programPath },
    stdio: [null, ready.writeFd, null],
  });
  ready.closeWriteFd();
  const helper = {
    pid: child.pid,
    [Symbol.dispose]: () => void process.kill(child.pid, 'SIGKILL'),
  };
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, readyTimeoutMs, false);
  ready.stream.on('data', () => resolve(true)).on('close', () => resolve(false));
  const isReady = await promise;
  clearTimeout(timer);
  if (isReady) return helper;
  throw new Fault(
    'failed-precondition',
    `"${unshareProgram}" could not make the namespaces; are user namespaces switched off (sysctl user.max_user_namespaces)?`,
  );
}
