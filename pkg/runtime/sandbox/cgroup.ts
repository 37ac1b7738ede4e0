import { dirname } from 'node:path';
import type { Engine } from '#runtime/engine.ts';
import type { Sandbox, SandboxConfig } from './sandbox.ts';

/** The cgroup in which the cgroups of the pod's containers are. */
export function podCgroup(engine: Engine, { cgroupParent }: SandboxConfig): string {
  return cgroupParent === '' ? engine.cgroupParent : cgroupParent;
}

/**
 * The topmost cgroup on the way to the pod's that is not there yet. The OCI runtime will make it, and
 * nobody but us will remove it: kubelet makes, and removes, its own.
 */
export function missingCgroup(engine: Engine, config: SandboxConfig): string | undefined {
  let missing: string | undefined;
  let path = podCgroup(engine, config);
  while (path !== '/' && !engine.cgroups.exists(path)) {
    missing = path;
    path = dirname(path);
  }
  return missing;
}

/** Removes the cgroup that came with this pod or, where others use it by now, leaves that to one of them. */
export async function releaseCgroup(engine: Engine, { id, ownedCgroup }: Sandbox): Promise<void> {
  if (ownedCgroup === undefined) return;
  const heir = engine.sandboxes
    .all()
    .find((other) => other.id !== id && isWithin(podCgroup(engine, other.config), ownedCgroup));
  if (heir === undefined) return engine.cgroups.removeEmpty(ownedCgroup);
  engine.sandboxes.put({ ...heir, ownedCgroup });
}

function isWithin(path: string, top: string): boolean {
  return path === top || path.startsWith(`${top}/`);
}
