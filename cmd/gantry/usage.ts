import type { Command } from './command.ts';
import { commands } from './commands.ts';

export const defaultAddress = '/run/gantry/admin.sock';

const everywhere = `Flags of all commands:
  --address SOCKET     the daemon's admin socket; else that of GANTRY_ADDRESS, else
                       ${defaultAddress}
  --json               output for programs
  -h, --help           what a command does
  --version

Ends with 0; with 1 when the daemon refused or failed, 2 when the command line is wrong, 3 when no
daemon answers.
`;

/** Help on all commands. */
export function usage(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const list = Object.entries(commands).map(
    ([name, { summary }]) => `  gantry ${name.padEnd(width)}   ${summary}\n`,
  );
  return `gantry looks after what gantryd has on this node

Commands:
${list.join('')}
${everywhere}`;
}

/** Help on one command. */
export function usageOf(name: string, { synopsis, summary, details }: Command): string {
  return `gantry ${name} ${synopsis}\n\n${capitalized(summary)}.\n\n${details}\n${everywhere}`;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
