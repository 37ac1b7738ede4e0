import type { Setting } from '#network/host-sysctls.ts';
import type { Command } from './command.ts';
import { printJson } from './output.ts';

export const netDown: Command = {
  synopsis: '',
  details: `Takes away the built-in network's bridge and firewall table, and puts the settings of the host (sysctls)
back that it had changed, unless somebody else has changed them since. Refused while pods are on it.
The next pod has the network made again: to be rid of it, stop the daemon next.
`,
  flags: {},
  operands: { min: 0, max: 0 },
  run: async ({ admin, isJson }) => {
    const { settings } = await admin.ask<{ readonly settings: readonly Setting[] }>({
      method: 'POST',
      path: '/v1/net/down',
    });
    if (isJson) return printJson(settings);
    for (const { path, value } of settings) {
      process.stdout.write(`${path.replaceAll('/', '.')} = ${value}\n`);
    }
  },
};
