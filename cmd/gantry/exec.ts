import type { PodView } from '#admin/pod-json.ts';
import type { Command } from './command.ts';
import { resolveContainer } from './resolve.ts';

export const exec: Command = {
  synopsis: '[-i] [-t] CONTAINER [--] COMMAND [ARG...]',
  details: `The command runs as the container's user, in its environment. Flags after CONTAINER are the command's.
Ends with the exit code of the command.

Flags:
  -i, --stdin          pass our standard input on
  -t, --tty            give the command a terminal, and pass on ours: keys, size

Example:
  gantry exec -it web/nginx sh
`,
  flags: {
    stdin: { type: 'boolean', short: 'i' },
    tty: { type: 'boolean', short: 't' },
  },
  operands: { min: 2, max: Number.POSITIVE_INFINITY, thenCommand: 1 },
  run: async ({ admin, places, operands: [text = '', ...command], options }) => {
    // Only the daemon can do it: its records are of no use here.
    const request = { method: 'GET', path: '/v1/pods' } as const;
    const { pods } = await admin.ask<{ readonly pods: readonly PodView[] }>(request);
    const { container } = resolveContainer(pods, text);
    const [stdin, hasTerminal] = [options['stdin'] === true, options['tty'] === true];
    const query = new URLSearchParams([
      ['container', container.id],
      ['stdin', String(stdin)],
      ['tty', String(hasTerminal)],
      ...command.map((word) => ['command', word]),
    ]);
    const { runRemotely } = await import('./remote-process.ts');
    const path = `/v1/exec?${query.toString()}`;
    return runRemotely({ address: places.address, path, stdin, hasTerminal });
  },
};
