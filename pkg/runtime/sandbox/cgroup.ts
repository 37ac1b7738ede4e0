import { dirname } from 'node:path';
import { type PodCgroup, podCgroup } from '#runtime/cgroup-path.ts';
import { type Engine, handlerOf } from '#runtime/engine.ts';
import type { Sandbox, SandboxConfig } from './sandbox.ts';

/** Where the cgroups of a new pod's containers will be. `invalid-argument` where none can be. */
export function placeCgroup(engine: Engine, config: SandboxConfig): PodCgroup {
  const { cgroupDriver: driver } = handlerOf(engine, config.runtimeHandler);
  return podCgroup({
    driver,
    parent: config.cgroupParent || engine.cgroupParent,
    // What is configured suits each driver that is.
    giverUsesSystemd: config.cgroupParent === '' || engine.cgroupDriver === 'systemd',
  });
}

/**
 * The topmost cgroup above the pod's containers that the kernel does not have yet, or that came with
 * another pod: the OCI runtime makes it, and nobody but us will remove it. kubelet makes, and removes,
 * its own; slices are systemd's.
 */
export function cgroupToOwn(
  engine: Engine,
  { driver, parent: path }: PodCgroup,
): string | undefined {
  if (driver === 'systemd') return undefined;
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
        other.id !== id && other.state !== 'stopped' && isWithin(other.cgroup.parent, ownedCgroup),
    );
  if (!isShared) await engine.cgroups.removeEmpty(ownedCgroup);
}

function isWithin(path: string, top: string): boolean {
  return path === top || path.startsWith(`${top}/`);
}
