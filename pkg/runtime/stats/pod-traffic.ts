import type { LinkCounters as Interface } from '#linux/netlink/link-counters.ts';
import type { Engine } from '#runtime/engine.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';

export type { LinkCounters as Interface } from '#linux/netlink/link-counters.ts';

/** So many pods take the system thread some milliseconds; then those who make pods have their turn. */
export const podsAtOnce = 50;

/**
 * The counters of the interfaces in pods, by the pods' ids, whoever connected them to which network.
 * Pods on the node's network are left out, and pods that are going.
 */
export async function readPodTraffic(
  { thread, layout }: Pick<Engine, 'thread' | 'layout'>,
  sandboxes: readonly Sandbox[],
): Promise<ReadonlyMap<string, readonly Interface[]>> {
  const pods = sandboxes
    .filter(({ state, config }) => state === 'ready' && config.namespaces.network === 'pod')
    .map((sandbox) => ({ id: sandbox.id, path: pathOf(sandbox, layout) }));
  const traffic = new Map<string, readonly Interface[]>();
  for (let from = 0; from < pods.length; from += podsAtOnce) {
    const some = pods.slice(from, from + podsAtOnce);
    const pinnedAt = some.map(({ path }) => path);
    const links = await thread.run('listLinkCounters', pinnedAt);
    for (const [index, { id }] of some.entries()) {
      const counters = links[index];
      if (counters !== undefined) traffic.set(id, counters);
    }
  }
  return traffic;
}

/** Putting paths together takes longer than the rest that is done here. */
const paths = new WeakMap<Sandbox, string>();

function pathOf(sandbox: Sandbox, layout: Engine['layout']): string {
  const path = paths.get(sandbox) ?? layout.sandbox(sandbox.id).namespace('net');
  paths.set(sandbox, path);
  return path;
}
