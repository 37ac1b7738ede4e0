import type { AdminDeps } from '#admin/deps.ts';
import { type Exchange, sendJson } from '#admin/exchange.ts';
import type { Operation } from '#trace/tracer.ts';

/** The calls of the daemon, with their stages. */
export type Operations = {
  /** Those that go on, the oldest first. */
  readonly running: readonly Operation[];
  /** Some that ended last, of each name, the newest first. */
  readonly latest: readonly Operation[];
  /** Those that took longest within the last hour, of each name, the slowest first. */
  readonly slowest: readonly Operation[];
};

export function listOperations({ tracer }: AdminDeps, { response }: Exchange): void {
  const operations: Operations = {
    running: tracer.running(),
    latest: tracer.latest(),
    slowest: tracer.slowest(),
  };
  sendJson(response, 200, operations);
}
