import type { AdminDeps } from '#admin/deps.ts';
import { type Exchange, sendJson } from '#admin/exchange.ts';
import type { PodNetView } from '#admin/net-json.ts';
import { viewPods } from '#network/pod-view.ts';

/** The networks of all pods that have one of their own, as the kernel has them. */
export async function listNet(
  { engine, network }: AdminDeps,
  { response }: Exchange,
): Promise<void> {
  const sandboxes = engine.sandboxes
    .all()
    .filter(({ state, config }) => state === 'ready' && config.namespaces.network === 'pod');
  const paths = sandboxes.map(({ id }) => engine.layout.sandbox(id).namespace('net'));
  const [views, ports] = await Promise.all([
    viewPods(engine.thread, paths),
    network.builtIn.viewPorts(),
  ]);
  const pods = sandboxes.map(({ id, config }, at): PodNetView => {
    const view = views[at];
    return {
      id,
      name: config.metadata.name,
      namespace: config.metadata.namespace,
      netns: paths[at] ?? '',
      ...(view === undefined ? {} : { network: view }),
      ports: ports.get(id) ?? [],
    };
  });
  sendJson(response, 200, { pods });
}
