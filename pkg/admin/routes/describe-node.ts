import type { AdminDeps } from '#admin/deps.ts';
import { type Exchange, sendJson } from '#admin/exchange.ts';

/** The daemon itself. */
export type NodeDescription = {
  readonly version: string;
  readonly pid: number;
  /** RFC 3339. */
  readonly startedAt: string;
  /** What is in force, among it `root` and `state`. */
  readonly config: { readonly root: string; readonly state: string };
};

export function describeNode({ version, config }: AdminDeps, { response }: Exchange): void {
  const description: NodeDescription = {
    version,
    pid: process.pid,
    startedAt: new Date(performance.timeOrigin).toISOString(),
    config,
  };
  sendJson(response, 200, description);
}
