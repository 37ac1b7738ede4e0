import type { PodView } from '#admin/pod-json.ts';
import type { Command } from './command.ts';
import { printJson, printTable } from './output.ts';
import { styleOfState } from './style.ts';
import type { Cell } from './table.ts';
import { ago } from './times.ts';

export const pods: Command = {
  synopsis: '[-q] [-n NAMESPACE]',
  details: `All pods, with how many of their containers are running.

Flags:
  -n, --namespace NAME only those of one namespace
  -q, --quiet          ids only, in full
`,
  flags: {
    namespace: { type: 'string', short: 'n' },
    quiet: { type: 'boolean', short: 'q' },
  },
  operands: { min: 0, max: 0 },
  run: async ({ node, options, isJson }) => {
    const wanted = options['namespace'];
    const all = await node.pods();
    const shown = all.filter(({ namespace }) => wanted === undefined || namespace === wanted);
    if (isJson) printJson(shown);
    else if (options['quiet'] === true) {
      process.stdout.write(shown.map(({ id }) => `${id}\n`).join(''));
    } else printTable([heading, ...shown.map(row)]);
  },
};

const heading = ['POD', 'NAMESPACE', 'NAME', 'STATE', 'CONTAINERS', 'ADDRESS', 'AGE'];

function row({ id, namespace, name, state, containers, addresses, ...pod }: PodView): Cell[] {
  const running = containers.filter((container) => container.state === 'running').length;
  return [
    id.slice(0, 12),
    namespace,
    name,
    { text: state, style: styleOfState(state) },
    `${running}/${containers.length}`,
    pod.network === 'node' ? 'node' : addresses.join(',') || '-',
    ago(pod.createdAt, Date.now()),
  ];
}
