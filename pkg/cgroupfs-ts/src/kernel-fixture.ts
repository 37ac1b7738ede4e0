import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { type Cgroupfs, openCgroupfs } from './cgroupfs.ts';
import { type CgroupMounts, hierarchyRoots, readMounts } from './mounts.ts';

const mounts = readMounts();

/** The hierarchies of this machine, each version for itself and both together. */
export const kinds: readonly (readonly [string, CgroupMounts])[] = [
  ...(mounts.unified === undefined
    ? []
    : [['v2', { mode: 'unified', unified: mounts.unified, legacy: new Map() }] as const]),
  ...(mounts.legacy.size === 0
    ? []
    : [['v1', { mode: 'legacy', unified: undefined, legacy: mounts.legacy }] as const]),
  ...(mounts.mode === 'hybrid' ? [['v1 with v2', mounts] as const] : []),
];

/** Whether the controller can be used in cgroups below the root. */
export function hasController({ unified, legacy }: CgroupMounts, controller: string): boolean {
  if (legacy.has(controller === 'io' ? 'blkio' : controller)) return true;
  const controllers = join(unified ?? '', 'cgroup.controllers');
  return (
    existsSync(controllers) && readFileSync(controllers, 'utf8').split(/\s/).includes(controller)
  );
}

/** A cgroup for one test, which goes away with all that was made in it. */
export type OwnCgroup = AsyncDisposable & {
  readonly cgroupfs: Cgroupfs;
  readonly path: string;
  /** Starts a shell in a cgroup, and waits until it is there. v2 takes it in leaves only. */
  readonly start: (
    cgroup: string,
    script: string,
  ) => Promise<ChildProcessByStdio<Writable, Readable, null>>;
};

export async function ownCgroup(kind: CgroupMounts): Promise<OwnCgroup> {
  const cgroupfs = openCgroupfs({ mounts: kind, removeTimeoutMs: 500 });
  const path = `/gantry-test-${randomBytes(4).toString('hex')}`;
  const children: ChildProcess[] = [];
  await cgroupfs.create(path);
  return {
    cgroupfs,
    path,
    start: async (cgroup, script) => {
      const files = hierarchyRoots(kind).map((root) => join(root, cgroup, 'cgroup.procs'));
      const enter = 'for file; do echo $$ > "$file" || exit; done; echo there; ';
      const child = spawn('sh', ['-c', enter + script, 'sh', ...files], {
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      children.push(child);
      const [event] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
      if (!Buffer.isBuffer(event)) throw new Error(`sh cannot enter ${cgroup}`);
      return child;
    },
    [Symbol.asyncDispose]: async () => {
      await cgroupfs.kill(path);
      await cgroupfs.remove(path);
      for (const child of children) child.kill('SIGKILL');
    },
  };
}
