import { chmodSync, chownSync } from 'node:fs';
import type { IdMapping } from '#linux/user-namespace.ts';

/**
 * Lets the root of a pod's user namespace, an ordinary user on the node, pass through a folder to what
 * the OCI runtime mounts from it. Without such a namespace the folder is for the node's root alone.
 */
export function openToRoot(folder: string, mapping: IdMapping | undefined): void {
  if (mapping === undefined) return;
  chownSync(folder, 0, mapping.hostId);
  chmodSync(folder, 0o710);
}
