import type { NetworkFindingView } from '#network/orphans.ts';
import { type Command, exitCodes } from './command.ts';
import { printJson, printTable } from './output.ts';
import type { Style } from './style.ts';

export const netCheck: Command = {
  synopsis: '[--fix]',
  details: `Compares what the daemon has on record with what the kernel has: links, namespaces, addresses and rules
that belong to no pod, and what pods should have and have not. Pods that run are not touched.

Ends with 1 when something is left to do.

Flags:
  --fix                remove what belongs to no pod, and make what is missing
`,
  flags: { fix: { type: 'boolean' } },
  operands: { min: 0, max: 0 },
  run: async ({ admin, options, isJson }) => {
    const method = options['fix'] === true ? 'POST' : 'GET';
    const { findings } = await admin.ask<{ readonly findings: readonly NetworkFindingView[] }>({
      method,
      path: '/v1/net/check',
    });
    if (isJson) printJson(findings);
    else if (findings.length === 0) process.stdout.write('the network is as it should be\n');
    else printTable([['WHAT', 'PROBLEM', 'OUTCOME'], ...findings.map(row)]);
    return findings.every(({ outcome }) => outcome === 'fixed') ? 0 : exitCodes.failed;
  },
};

const styles = {
  found: 'yellow',
  fixed: 'green',
  'not fixed': 'red',
} as const satisfies Record<NetworkFindingView['outcome'], Style>;

function row({ subject, problem, outcome, reason }: NetworkFindingView) {
  const text = reason === undefined ? outcome : `${outcome}: ${reason}`;
  return [subject, problem, { text, style: styles[outcome] }];
}
