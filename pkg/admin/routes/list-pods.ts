import type { AdminDeps } from '#admin/deps.ts';
import { type Exchange, sendJson } from '#admin/exchange.ts';
import { podViews } from '#admin/pod-json.ts';

/** All pods with their containers, also those that are only being made. */
export function listPods({ engine }: AdminDeps, { response }: Exchange): void {
  const { sandboxes, containers } = engine;
  const pods = podViews({ sandboxes: sandboxes.all(), containers: containers.all() });
  sendJson(response, 200, { pods });
}
