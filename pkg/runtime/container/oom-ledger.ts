import { dirname } from 'node:path';
import type { Engine } from '#runtime/engine.ts';
import type { Container } from './container.ts';

type Cgroups = Pick<Engine, 'cgroups' | 'containers'>;

/**
 * Tells of containers that ran out of memory when their cgroup cannot tell any more: systemd removes a
 * scope with its last process, often before anybody has read its counter of kills. The counter of its
 * parent is of all that ever was below it (cgroup-v2.rst, "memory.events"): what it has beyond the
 * containers that are still there is of those that have ended.
 */
export class OomLedger {
  /** Kills in containers that have ended, by parent. */
  readonly #ofEnded = new Map<string, number>();

  /** Begins to count for the parent of a container that starts, or that an earlier daemon started. */
  async open(engine: Cgroups, { cgroupPath }: Container): Promise<void> {
    if (!isScope(cgroupPath)) return;
    const parent = dirname(cgroupPath);
    if (!this.#ofEnded.has(parent)) this.#ofEnded.set(parent, await countOfEnded(engine, parent));
  }

  /** How many of its processes were killed, as far as that can be said of a container that has just ended. */
  async settle(engine: Cgroups, { cgroupPath }: Container): Promise<number> {
    const own = await engine.cgroups.oomKills(cgroupPath);
    if (!isScope(cgroupPath)) return own;
    const parent = dirname(cgroupPath);
    // Also when its cgroup is there still.
    const ended = await countOfEnded(engine, parent, cgroupPath);
    const before = this.#ofEnded.get(parent) ?? ended;
    this.#ofEnded.set(parent, ended);
    return Math.max(own, ended - before);
  }

  /** To be called when a container has been removed. */
  forget({ containers }: Pick<Engine, 'containers'>, { cgroupPath }: Container): void {
    const parent = dirname(cgroupPath);
    const isLast = !containers.all().some((other) => dirname(other.cgroupPath) === parent);
    if (isLast) this.#ofEnded.delete(parent);
  }
}

/** What is not systemd's stays until it is removed here. */
function isScope(cgroupPath: string): boolean {
  return cgroupPath.endsWith('.scope');
}

async function countOfEnded(
  { cgroups, containers }: Cgroups,
  parent: string,
  ended?: string,
): Promise<number> {
  const living = containers
    .all()
    .map(({ cgroupPath }) => cgroupPath)
    .filter((path) => dirname(path) === parent && path !== ended);
  const [all = 0, ...others] = await Promise.all(
    [parent, ...living].map((path) => cgroups.oomKills(path)),
  );
  return all - others.reduce((sum, kills) => sum + kills, 0);
}
