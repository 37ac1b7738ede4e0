import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { type Command, ExitError, type Invocation } from './command.ts';
import { commands } from './commands.ts';
import { defaultAddress } from './usage.ts';

/** What the command line asks for. */
export type Wanted =
  | { readonly kind: 'version' | 'help' }
  | { readonly kind: 'command-help'; readonly name: string; readonly command: Command }
  | {
      readonly kind: 'run';
      readonly command: Command;
      readonly address: string;
      readonly invocation: Omit<Invocation, 'admin'>;
    };

const flagsOfAll = {
  address: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const satisfies ParseArgsOptionsConfig;

/** Reads the arguments after the program's name; `environmentAddress` is GANTRY_ADDRESS. */
export function parseArguments(
  args: readonly string[],
  environmentAddress: string | undefined,
): Wanted {
  const name = commandName(args);
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  const { values, positionals } = parse(args, command?.flags ?? {});
  if (values['version'] === true) return { kind: 'version' };
  if (values['help'] === true || name === 'help') {
    return command === undefined ? { kind: 'help' } : { kind: 'command-help', name, command };
  }
  if (command === undefined) throw wrong(name === '' ? 'no command' : `no command "${name}"`);
  // The name of a command is two words.
  const operands = positionals.slice(2);
  checkCount(name, command, operands.length);
  const address = values['address'] ?? (environmentAddress || defaultAddress);
  const invocation = { operands, options: values, isJson: values['json'] === true };
  return { kind: 'run', command, address: String(address).replace(/^unix:\/\//, ''), invocation };
}

/** The first two words that are no flags: only then is it known which flags there are. */
function commandName(args: readonly string[]): string {
  const { positionals } = parseArgs({
    args: [...args],
    options: flagsOfAll,
    strict: false,
    allowPositionals: true,
  });
  return positionals.slice(0, 2).join(' ');
}

function parse(args: readonly string[], flags: ParseArgsOptionsConfig) {
  try {
    const options: ParseArgsOptionsConfig = { ...flagsOfAll, ...flags };
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (cause) {
    throw new ExitError('usage', 'command line', { cause });
  }
}

function checkCount(name: string, { operands, synopsis }: Command, count: number): void {
  if (count >= operands.min && count <= operands.max) return;
  const whole = ['gantry', name, synopsis].join(' ').trim();
  throw wrong(`"${whole}" does not go with ${count} operands`);
}

function wrong(reason: string): ExitError {
  return new ExitError('usage', `${reason}; gantry --help tells what there is`);
}
