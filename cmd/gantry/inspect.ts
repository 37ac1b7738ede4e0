import type { Operations } from '#admin/routes/list-operations.ts';
import type { Operation } from '#trace/tracer.ts';
import { type Command, ExitError, type Invocation } from './command.ts';
import { printJson } from './output.ts';
import { resolveContainer, resolvePod } from './resolve.ts';

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
    const operations = (await operationsAbout(admin, id)).slice(0, 10);
    if ('container' in found) {
      const { containerFacts } = await import('./container-facts.ts');
      const facts = await containerFacts(found, folders);
      const { containerPage } = await import('./inspect-page.ts');
      if (isJson) printJson({ ...facts, operations });
      else process.stdout.write(containerPage(facts, operations));
    } else {
      const { podFacts } = await import('./pod-facts.ts');
      const facts = podFacts(found, folders);
      const { podPage } = await import('./inspect-page.ts');
      if (isJson) printJson({ ...facts, operations });
      else process.stdout.write(podPage(facts, operations));
    }
  },
};

/** A container, unless the text means a pod alone; who wants a pod's only container names that. */
function containerOrPod(pods: Awaited<ReturnType<Invocation['node']['pods']>>, text: string) {
  try {
    return resolvePod(pods, text);
  } catch (error) {
    const isUnknown = error instanceof ExitError && error.message.startsWith('there is no pod');
    if (!isUnknown) throw error;
  }
  try {
    return resolveContainer(pods, text);
  } catch (error) {
    const isUnknown = error instanceof ExitError && error.message.startsWith('there is no');
    throw isUnknown ? new ExitError('failed', `there is no container or pod "${text}"`) : error;
  }
}

/** The newest first; none while the daemon, whose memory they are, is down. */
async function operationsAbout(admin: Invocation['admin'], id: string): Promise<Operation[]> {
  try {
    const { running, latest } = await admin.ask<Operations>({
      method: 'GET',
      path: '/v1/operations',
    });
    const isAbout = ({ attributes }: Operation) => Object.values(attributes).includes(id);
    return [...running, ...latest].filter(
      (it) => isAbout(it) && !/^(List|.*Status$)/.test(it.name),
    );
  } catch (error) {
    if (error instanceof ExitError && error.reason === 'unreachable') return [];
    throw error;
  }
}
