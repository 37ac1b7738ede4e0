import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { describe } from '#errors/fault.ts';
import { type Command, ExitError, type Invocation } from './command.ts';
import { commands, type Entry } from './commands.ts';
import type { PlaceWishes } from './places.ts';

/** What the command line asks for. */
export type Wanted =
  | { readonly kind: 'version' | 'help' }
  | {
      readonly kind: 'command-help';
      readonly name: string;
      readonly entry: Entry;
      readonly command: Command;
    }
  | {
      readonly kind: 'run';
      readonly command: Command;
      readonly wishes: PlaceWishes;
      readonly invocation: Pick<Invocation, 'operands' | 'options' | 'isJson'>;
    };

export const flagsOfAll = {
  address: { type: 'string' },
  config: { type: 'string' },
  root: { type: 'string' },
  state: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const satisfies ParseArgsOptionsConfig;

/** The variables that say what flags do not. */
export type Environment = {
  readonly GANTRY_ADDRESS?: string | undefined;
  readonly GANTRY_CONFIG?: string | undefined;
};

/** Reads the arguments after the program's name. */
export async function parseArguments(
  args: readonly string[],
  environment: Environment,
): Promise<Wanted> {
  const [first, ...rest] = args;
  const wantsHelp = first === 'help';
  const { name, entry, command } = await namedCommand(wantsHelp ? rest : args);
  const { values, operands } = parse(wantsHelp ? rest : args, name, command);
  if (values['version'] === true) return { kind: 'version' };
  if (values['help'] === true || wantsHelp) {
    if (command === undefined && name !== '') throw wrong(`no command "${name}"`);
    return command === undefined || entry === undefined
      ? { kind: 'help' }
      : { kind: 'command-help', name, entry, command };
  }
  if (command === undefined) throw wrong(name === '' ? 'no command' : `no command "${name}"`);
  checkCount(name, command, operands.length);
  const isJson = values['json'] === true;
  const invocation = { operands, options: values, isJson };
  return { kind: 'run', command, wishes: wishesOf(values, environment), invocation };
}

function wishesOf(values: Invocation['options'], environment: Environment): PlaceWishes {
  const flag = (name: string) => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  const config = flag('config') ?? (environment.GANTRY_CONFIG || undefined);
  const [root, state] = [flag('root'), flag('state')];
  // Who names folders means their daemon, not the environment's.
  const isNamed = (root ?? state ?? flag('config')) !== undefined;
  const usual = isNamed ? undefined : environment.GANTRY_ADDRESS || undefined;
  const address = (flag('address') ?? usual)?.replace(/^unix:\/\//, '');
  return { address, config, root, state };
}

type Named = {
  readonly name: string;
  readonly entry: Entry | undefined;
  readonly command: Command | undefined;
};

/** The first words that are no flags: only then is it known which flags there are. */
async function namedCommand(args: readonly string[]): Promise<Named> {
  const { positionals } = parseArgs({
    args: [...args],
    options: flagsOfAll,
    strict: false,
    allowPositionals: true,
  });
  const two = positionals.slice(0, 2).join(' ');
  const one = positionals[0] ?? '';
  const name = commands.has(two) || !commands.has(one) ? two : one;
  const entry = commands.get(name);
  return { name, entry, command: await entry?.load() };
}

function parse(args: readonly string[], name: string, command: Command | undefined) {
  const options: ParseArgsOptionsConfig = { ...flagsOfAll, ...command?.flags };
  const words = name.split(' ').length;
  const { thenCommand } = command?.operands ?? {};
  const end = thenCommand === undefined ? args.length : endOf(args, options, words + thenCommand);
  try {
    const ours = { args: args.slice(0, end), options, allowPositionals: true };
    const { values, positionals } = parseArgs(ours);
    const theirs = args.slice(end);
    if (theirs[0] === '--') theirs.shift();
    return { values, operands: [...positionals.slice(words), ...theirs] };
  } catch (cause) {
    // Node goes on with advice on operands that begin with a dash.
    throw wrong(describe(cause).replace(/\. To specify a positional .*$/s, ''), command && name);
  }
}

/** Where the n-th word that is no flag ends. */
function endOf(args: readonly string[], options: ParseArgsOptionsConfig, count: number): number {
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const last = tokens.filter(({ kind }) => kind === 'positional')[count - 1];
  return last === undefined ? args.length : last.index + 1;
}

function checkCount(name: string, { operands, synopsis }: Command, count: number): void {
  if (count >= operands.min && count <= operands.max) return;
  const whole = ['gantry', name, synopsis].join(' ').trim();
  const given = count === 1 ? 'one operand' : `${count} operands`;
  throw wrong(`"${whole}" does not go with ${given}`, name);
}

function wrong(reason: string, name = ''): ExitError {
  const help = ['gantry', name, '--help'].filter(Boolean).join(' ');
  return new ExitError('usage', `${reason}; ${help} tells what there is`);
}
