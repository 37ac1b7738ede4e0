import type { LinkCounters as Interface } from '#linux/netlink/link-counters.ts';
import type { Engine } from '#runtime/engine.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';

export type { LinkCounters as Interface } from '#linux/netlink/link-counters.ts';

/** So many pods take the system thread some two milliseconds; then those who make pods have their turn. */
const podsAtOnce = 20;

type Reader = Pick<Engine, 'thread' | 'layout'>;

/** A pod, and the counters of its interfaces; undefined for one that is on the node's network, or gone. */
export type PodWithTraffic = readonly [Sandbox, readonly Interface[] | undefined];

/** Reads the traffic of all of the pods, of some while the caller is at work on those before them. */
export async function* withTraffic(
  reader: Reader,
  sandboxes: readonly Sandbox[],
): AsyncGenerator<PodWithTraffic> {
  const read = (from: number) => readTraffic(reader, sandboxes.slice(from, from + podsAtOnce));
  let reading = read(0);
  for (let from = 0; from < sandboxes.length; from += podsAtOnce) {
    const some = await reading;
    reading = read(from + podsAtOnce);
    // Whoever does not come so far does not learn of it.
    reading.catch(() => {});
    yield* some;
  }
}

/** Of one pod. */
export async function trafficOf(
  reader: Reader,
  sandbox: Sandbox,
): Promise<readonly Interface[] | undefined> {
  const [pod] = await readTraffic(reader, [sandbox]);
  return pod?.[1];
}

/** Whoever connected them to which network. */
async function readTraffic(
  { thread, layout }: Reader,
  sandboxes: readonly Sandbox[],
): Promise<PodWithTraffic[]> {
  const connected = sandboxes.filter(
    ({ state, config }) => state === 'ready' && config.namespaces.network === 'pod',
  );
  const pinnedAt = connected.map((sandbox) => pathOf(sandbox, layout));
  const links = pinnedAt.length === 0 ? [] : await thread.run('listLinkCounters', pinnedAt);
  const traffic = new Map(connected.map((sandbox, index) => [sandbox, links[index]]));
  return sandboxes.map((sandbox) => [sandbox, traffic.get(sandbox)]);
}

/** Putting paths together takes longer than the rest that is done here. */
const paths = new WeakMap<Sandbox, string>();

function pathOf(sandbox: Sandbox, layout: Engine['layout']): string {
  const path = paths.get(sandbox) ?? layout.sandbox(sandbox.id).namespace('net');
  paths.set(sandbox, path);
  return path;
}
