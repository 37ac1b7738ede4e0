import type { ContainerView, PodView } from '#admin/pod-json.ts';
import type { Command } from './command.ts';
import { printJson, printTable } from './output.ts';
import { styleOfState } from './style.ts';
import type { Cell } from './table.ts';
import { ago } from './times.ts';

export const ps: Command = {
  synopsis: '[-a] [-q] [POD]',
  details: `Running containers, those of one pod if POD is given. RESTARTS is how often kubelet has made the
container anew.

Flags:
  -a, --all            also what is not running
  -q, --quiet          ids only, in full
`,
  flags: {
    all: { type: 'boolean', short: 'a' },
    quiet: { type: 'boolean', short: 'q' },
  },
  operands: { min: 0, max: 1 },
  run: async ({ node, operands: [wanted], options, isJson }) => {
    const pods = await podsNamed(await node.pods(), wanted);
    const shown = pods.flatMap((pod) =>
      pod.containers
        .filter(({ state }) => options['all'] === true || state === 'running')
        .map((container) => ({ pod, container })),
    );
    if (isJson) printJson(shown.map(({ container }) => container));
    else if (options['quiet'] === true) {
      process.stdout.write(shown.map(({ container }) => `${container.id}\n`).join(''));
    } else printTable([heading, ...shown.map(({ pod, container }) => row(pod, container))]);
  },
};

async function podsNamed(pods: readonly PodView[], wanted: string | undefined) {
  if (wanted === undefined) return pods;
  const { resolvePod } = await import('./resolve.ts');
  return [resolvePod(pods, wanted)];
}

const heading = ['CONTAINER', 'NAME', 'POD', 'STATE', 'RESTARTS', 'AGE', 'PID', 'IMAGE'];

function row(pod: PodView, container: ContainerView): Cell[] {
  const { id, name, state, attempt, exitCode, createdAt, startedAt, pid, image } = container;
  const text = exitCode === undefined ? state : `${state} (${exitCode})`;
  return [
    id.slice(0, 12),
    name,
    `${pod.namespace}/${pod.name}`,
    { text, style: styleOfState(state, exitCode) },
    String(attempt),
    ago(startedAt ?? createdAt, Date.now()),
    String(pid ?? '-'),
    image.name,
  ];
}
