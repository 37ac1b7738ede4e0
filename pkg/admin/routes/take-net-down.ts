import type { AdminDeps } from '#admin/deps.ts';
import { type Exchange, sendJson } from '#admin/exchange.ts';

/** Undoes the built-in network, and tells which settings of the host were put back. */
export async function takeNetDown({ network }: AdminDeps, { response }: Exchange): Promise<void> {
  sendJson(response, 200, { settings: await network.builtIn.undo() });
}
