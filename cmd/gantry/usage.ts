import type { Command } from './command.ts';
import { commandGroups, type Entry } from './commands.ts';
import { defaultConfig, defaultFolders } from './places.ts';

const everywhere = `Flags of all commands:
  --address SOCKET     the daemon's admin socket; else that of GANTRY_ADDRESS, else what the
                       configuration says, else ${defaultFolders.state}/admin.sock
  --config FILE        the daemon's configuration; else that of GANTRY_CONFIG,
                       else ${defaultConfig}
  --root, --state DIR  the daemon's folders, over the configuration: what its records are read
                       from while it is down
  --json               output for programs
  -h, --help           what a command does
  --version

Pods and containers are named by id, by the beginning of one, by name, or by
[NAMESPACE/]POD[/CONTAINER]; images by name, digest or id. On a terminal there are colours, unless
NO_COLOR is set; elsewhere, tables come with tabs between their columns.

Ends with 0; with 1 when something failed, 2 when the command line is wrong, 3 when no daemon
answers.
`;

/** Help on all commands. */
export function usage(): string {
  const width = Math.max(
    ...Object.values(commandGroups).flatMap((group) =>
      Object.keys(group).map((name) => name.length),
    ),
  );
  const groups = Object.entries(commandGroups).map(([heading, group]) => {
    const lines = Object.entries(group).map(
      ([name, { summary }]) => `  gantry ${name.padEnd(width)}   ${summary}\n`,
    );
    return `${heading}:\n${lines.join('')}`;
  });
  return `gantry looks after what gantryd has on this node

${groups.join('\n')}
gantry COMMAND --help tells more of each.

${everywhere}`;
}

/** Help on one command. */
export function usageOf(name: string, { summary }: Entry, { synopsis, details }: Command): string {
  return `gantry ${name} ${synopsis}\n\n${capitalized(summary)}.\n\n${details}\n${everywhere}`;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
