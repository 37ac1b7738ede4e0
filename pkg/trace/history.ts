import type { Operation } from './tracer.ts';

/** Of operations of one name. */
const latestCount = 24;
const slowestCount = 6;

/** How long a slow operation is told of. */
const slowestAgeMs = 60 * 60 * 1000;

type Kept = { latest: Operation[]; slowest: Operation[] };

/**
 * The operations that ended last, and the slowest ones of the last hour. Of each name some are kept,
 * so that status calls, of which there are many, do not drive the others out.
 */
export class History {
  readonly #byName = new Map<string, Kept>();

  add(operation: Operation): void {
    const kept = this.#byName.get(operation.name) ?? { latest: [], slowest: [] };
    this.#byName.set(operation.name, kept);
    kept.latest.push(operation);
    if (kept.latest.length > latestCount) kept.latest.shift();
    const oldest = operation.startedAtMs - slowestAgeMs;
    kept.slowest = kept.slowest.filter(({ startedAtMs }) => startedAtMs > oldest);
    kept.slowest.push(operation);
    kept.slowest.sort(bySlowness).splice(slowestCount);
  }

  /** The newest first. */
  latest(): Operation[] {
    const all = [...this.#byName.values()].flatMap(({ latest }) => latest);
    return all.sort((one, other) => other.startedAtMs - one.startedAtMs);
  }

  /** The slowest first. */
  slowest(): Operation[] {
    const oldest = Date.now() - slowestAgeMs;
    const all = [...this.#byName.values()].flatMap(({ slowest }) => slowest);
    return all.filter(({ startedAtMs }) => startedAtMs > oldest).sort(bySlowness);
  }
}

function bySlowness(one: Operation, other: Operation): number {
  return (other.durationMs ?? 0) - (one.durationMs ?? 0);
}
