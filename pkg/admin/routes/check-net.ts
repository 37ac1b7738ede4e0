import type { AdminDeps } from '#admin/deps.ts';
import { type Exchange, sendJson } from '#admin/exchange.ts';
import { type NetworkFinding, settleFindings } from '#network/orphans.ts';
import type { Engine } from '#runtime/engine.ts';
import { orphanNamespaces, removeOrphanNamespace } from '#runtime/sandbox/orphan-namespaces.ts';

/** What of the network is left of pods that are gone, and what pods lack. */
export function checkNet(deps: AdminDeps, exchange: Exchange): Promise<void> {
  return settle(deps, exchange, { isFixing: false });
}

/** The same, and puts it right. */
export function fixNet(deps: AdminDeps, exchange: Exchange): Promise<void> {
  return settle(deps, exchange, { isFixing: true });
}

async function settle(
  { engine, network }: AdminDeps,
  { response }: Exchange,
  options: { readonly isFixing: boolean },
): Promise<void> {
  const owners = new Set<string>(engine.sandboxes.all().map(({ id }) => id));
  const orphans = await network.findOrphans(owners);
  const findings = await settleFindings([...orphans, ...namespaceFindings(engine)], options);
  sendJson(response, 200, { findings });
}

function namespaceFindings(engine: Engine): NetworkFinding[] {
  return orphanNamespaces(engine).map((path) => ({
    kind: 'namespace',
    subject: `namespace ${path}`,
    problem: 'belongs to no pod',
    fix: () => removeOrphanNamespace(engine, path),
  }));
}
