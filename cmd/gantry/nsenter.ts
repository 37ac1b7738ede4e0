import { type Command, type Invocation } from './command.ts';
import { containerFlags, type Enterable, enterable, podFlags } from './entering.ts';
import { resolveContainer, resolvePod } from './resolve.ts';

const usual = ['net', 'ipc', 'uts', 'pid'] as const satisfies Enterable[];

export const nsenter: Command = {
  synopsis: '[FLAGS] CONTAINER|POD [--] [COMMAND [ARG...]]',
  details: `The command, else a shell, is one of the node's, with the node's files: tools that an image does not
have work on what it runs. With --mount it sees the container's files instead, and has to be one of
these. Without flags: --net --ipc --uts --pid; of a pod, what its containers share of these.

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
    const pod = podNamed(pods, text);
    const flags =
      pod === undefined
        ? containerFlags(resolveContainer(pods, text).container, kinds)
        : podFlags(pod, await node.folders(), kinds);
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

/** A container and its pod often have one name: then the container is meant. */
function podNamed(pods: Parameters<typeof resolvePod>[0], text: string) {
  try {
    resolveContainer(pods, text);
    return undefined;
  } catch {
    return resolvePod(pods, text);
  }
}
