import type { PodView } from '#admin/pod-json.ts';
import type { Command, Invocation } from './command.ts';
import { containerFlags, type Enterable, enterable, podFlags } from './entering.ts';
import { type Found, isUnknown, resolveContainer, resolvePod, unknown } from './resolve.ts';

const usual = ['net', 'ipc', 'uts', 'pid'] as const satisfies Enterable[];

export const nsenter: Command = {
  synopsis: '[FLAGS] CONTAINER|POD [--] [COMMAND [ARG...]]',
  details: `The command, else a shell, is one of the node's, with the node's files: tools that an image does not
have work on what it runs. With --mount it sees the container's files instead, and has to be one of
these. Without flags: --net --ipc --uts --pid; of a pod, what its containers share of these. Of a pod
whose only container runs, that container is meant.

Flags:
  --net --ipc --uts --pid --mount --user --cgroup
                       just these namespaces
  -a, --all            all of them

Example:
  gantry nsenter --net web ss -tlnp
`,
  flags: {
    ...Object.fromEntries(
      Object.keys(enterable).map((kind) => [kind, { type: 'boolean' as const }]),
    ),
    all: { type: 'boolean', short: 'a' },
  },
  operands: { min: 1, max: Number.POSITIVE_INFINITY, thenCommand: 1 },
  run: async ({ node, operands: [text = '', ...command], options }) => {
    const pods = await node.pods();
    const kinds = kindsIn(options);
    const place = containerOrPod(pods, text);
    const flags =
      'container' in place
        ? containerFlags(place.container, kinds)
        : podFlags(place, await node.folders(), kinds);
    const { runHere } = await import('./run-here.ts');
    const shell = process.env['SHELL'] ?? '/bin/sh';
    return runHere('nsenter', [...flags, '--', ...(command.length > 0 ? command : [shell])]);
  },
};

function kindsIn(options: Invocation['options']): readonly Enterable[] {
  const all: Enterable[] = ['user', 'net', 'ipc', 'uts', 'pid', 'cgroup', 'mount'];
  if (options['all'] === true) return all;
  const wanted = all.filter((kind) => options[kind] === true);
  return wanted.length > 0 ? wanted : usual;
}

/**
 * A container and its pod often have one name: then the container is meant, if it runs. The pod's
 * namespaces are there also while its container is between two crashes.
 */
function containerOrPod(pods: readonly PodView[], text: string): Found | PodView {
  let found: Found;
  try {
    found = resolveContainer(pods, text);
  } catch (error) {
    return podOr(pods, text, () => {
      throw isUnknown(error) ? unknown('container or pod', text) : error;
    });
  }
  return found.container.state === 'running' ? found : podOr(pods, text, () => found);
}

function podOr(pods: readonly PodView[], text: string, otherwise: () => Found): Found | PodView {
  try {
    return resolvePod(pods, text);
  } catch (error) {
    if (!isUnknown(error)) throw error;
    return otherwise();
  }
}
