import type { EventView } from '#admin/event-json.ts';
import type { PodNetView } from '#admin/net-json.ts';
import type { Operations } from '#admin/routes/list-operations.ts';
import type { Operation } from '#trace/tracer.ts';
import type { Command, Invocation } from './command.ts';
import { isDown } from './node-view.ts';
import { printJson } from './output.ts';
import { isUnknown, resolveContainer, resolvePod, unknown } from './resolve.ts';

export const inspect: Command = {
  synopsis: 'CONTAINER|POD',
  details: `One page on a container: its state, image, command, namespaces with their inodes, cgroup with limits
and use, mounts, root filesystem, network, monitor and processes, and what happened to it last. On a
pod: the same of what all of its containers share.

What is on the page comes from the kernel and from the daemon's folders, so that it is there while
the daemon is down, too.
`,
  flags: {},
  operands: { min: 1, max: 1 },
  run: async ({ admin, node, operands: [text = ''], isJson }) => {
    const pods = await node.pods();
    const folders = await node.folders();
    const found = containerOrPod(pods, text);
    const { id } = 'container' in found ? found.container : found;
    const pod = 'container' in found ? found.pod : found;
    const live = await liveFacts(admin, { id, podId: pod.id });
    if ('container' in found) {
      const { containerFacts } = await import('./container-facts.ts');
      const facts = await containerFacts(found, folders);
      const { containerPage } = await import('./inspect-page.ts');
      if (isJson) printJson({ ...facts, ...live });
      else process.stdout.write(containerPage(facts, live));
    } else {
      const { podFacts } = await import('./pod-facts.ts');
      const facts = podFacts(found, folders);
      const { podPage } = await import('./inspect-page.ts');
      if (isJson) printJson({ ...facts, ...live });
      else process.stdout.write(podPage(facts, live));
    }
  },
};

/** A container, unless the text means a pod alone; who wants a pod's only container names that. */
function containerOrPod(pods: Awaited<ReturnType<Invocation['node']['pods']>>, text: string) {
  try {
    return resolvePod(pods, text);
  } catch (error) {
    if (!isUnknown(error)) throw error;
  }
  try {
    return resolveContainer(pods, text);
  } catch (error) {
    throw isUnknown(error) ? unknown('container or pod', text) : error;
  }
}

/** What only the daemon knows. */
export type LiveFacts = {
  /** What happened to the container or the pod, and what was done with it, the newest first. */
  readonly events: readonly EventView[];
  readonly operations: readonly Operation[];
  /** Of the pod; absent when the kernel has none for it. */
  readonly network?: PodNetView;
};

const mostOperations = 10;

/** Nothing while the daemon is down. */
async function liveFacts(
  admin: Invocation['admin'],
  { id, podId }: { readonly id: string; readonly podId: string },
): Promise<LiveFacts> {
  try {
    const [{ events }, { running, latest }, { pods }] = await Promise.all([
      admin.ask<{ readonly events: readonly EventView[] }>({ method: 'GET', path: '/v1/events' }),
      admin.ask<Operations>({ method: 'GET', path: '/v1/operations' }),
      admin.ask<{ readonly pods: readonly PodNetView[] }>({ method: 'GET', path: '/v1/net' }),
    ]);
    const operations = [...running, ...latest]
      .filter(
        ({ name, attributes }) => Object.values(attributes).includes(id) && !isPoll.test(name),
      )
      .slice(0, mostOperations);
    const own = events.filter(({ pod, container }) => (container ?? pod)?.id === id);
    const network = pods.find((pod) => pod.id === podId);
    return { events: own.toReversed(), operations, ...(network && { network }) };
  } catch (error) {
    if (isDown(error)) return { events: [], operations: [] };
    throw error;
  }
}

const isPoll = /^(List|.*Status$)/;
