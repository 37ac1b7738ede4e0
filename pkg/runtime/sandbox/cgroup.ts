import { dirname } from 'node:path';
import type { Engine } from '#runtime/engine.ts';
import type { Sandbox, SandboxConfig } from './sandbox.ts';

/** The cgroup in which the cgroups of the pod's containers are. */
export function podCgroup(engine: Engine, { cgroupParent }: SandboxConfig): string {
  return cgroupParent === '' ? engine.cgroupParent : cgroupParent;
}

/**
 * The topmost cgroup above the pod's containers that the kernel does not have yet, or that came with
 * another pod: the OCI runtime makes it, and nobody but us will remove it. kubelet makes, and removes,
 * its own.
 */
export function cgroupToOwn(engine: Engine, config: SandboxConfig): string | undefined {
  const path = podCgroup(engine, config);
  const others = engine.sandboxes.all().map((other) => other.ownedCgroup);
  return others.find((top) => top !== undefined && isWithin(path, top)) ?? missing(engine, path);
}

function missing(engine: Engine, path: string): string | undefined {
  if (path === '/' || engine.cgroups.exists(path)) return undefined;
  return missing(engine, dirname(path)) ?? path;
}

/**
 * Removes the cgroup that came with this pod. Where pods that may yet make cgroups share it, it stays
 * for them: they own it too.
 */
export async function releaseCgroup(engine: Engine, { id, ownedCgroup }: Sandbox): Promise<void> {
  if (ownedCgroup === undefined) return;
  const isShared = engine.sandboxes
    .all()
    .some(
      (other) =>
        other.id !== id &&
        other.state !== 'stopped' &&
        isWithin(podCgroup(engine, other.config), ownedCgroup),
    );
  if (!isShared) await engine.cgroups.removeEmpty(ownedCgroup);
}

function isWithin(path: string, top: string): boolean {
  return path === top || path.startsWith(`${top}/`);
}
