import { Fault, faultCode } from '#errors/fault.ts';
import type { NamespaceRequest } from './namespace-create.ts';
import type { SystemThread } from './system-thread.ts';

/**
 * Makes new namespaces that live on without a process: each is bound to the file named for it, which
 * must not exist yet (its folder must). All are made, or none. A sysctl that is unknown, refused by
 * the kernel or not the pod's own is an `invalid-argument` Fault with its name and value.
 * See namespaces(7), "The /proc/pid/ns/ directory".
 */
export async function createNamespaces(
  thread: SystemThread,
  request: NamespaceRequest,
): Promise<void> {
  try {
    await thread.run('createNamespaces', request);
  } catch (cause) {
    throw new Fault(faultCode(cause), 'create namespaces', { cause });
  }
}

/** Lets go of a pinned namespace; the kernel ends it once its last process is gone. Idempotent. */
export async function removeNamespace(thread: SystemThread, path: string): Promise<void> {
  try {
    await thread.run('removeNamespace', path);
  } catch (cause) {
    throw new Fault(faultCode(cause), `remove the namespace at "${path}"`, { cause });
  }
}
