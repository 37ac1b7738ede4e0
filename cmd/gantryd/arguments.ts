import { parseArgs } from 'node:util';
import { describe, Fault } from '#errors/fault.ts';
import type { Flags } from './config.ts';

/** What the command line asks for. */
export type Command =
  | {
      readonly kind: 'serve' | 'check-config' | 'print-config';
      readonly file: string | undefined;
      readonly flags: Flags;
    }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' };

export const usage = `gantryd, a container runtime for Kubernetes nodes

Usage:
  gantryd [flags]                  serve the CRI until SIGTERM; containers go on running after it
  gantryd config check [flags]     say what is wrong with the configuration, or print what is in force
  gantryd config default           print every key that has a default

Flags:
  --config FILE        configuration (TOML); default /etc/gantry/gantry.toml, if it is there
  --root DIR           what outlives a reboot: database, images, containers' files (/var/lib/gantry)
  --state DIR          what does not: sockets, namespaces, bundles (/run/gantry)
  --listen PATH        the CRI's unix socket (gantry.sock in the state directory)
  --log-level LEVEL    debug, info, warn or error
  --version, --help

Point crictl at it with:  crictl --runtime-endpoint unix:///run/gantry/gantry.sock info
`;

/** Reads the arguments after the program's name. */
export function parseArguments(args: readonly string[]): Command {
  const { values, positionals } = parse(args);
  if (values.help === true) return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };
  const flags: Record<string, string> = {};
  for (const key of ['root', 'state', 'listen', 'log-level'] as const) {
    const value = values[key];
    if (value !== undefined) flags[key.replace('-', '_')] = value;
  }
  return { kind: commandKind(positionals.join(' ')), file: values.config, flags };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: text,
        root: text,
        state: text,
        listen: text,
        'log-level': text,
        help: { ...flag, short: 'h' },
        version: flag,
      },
    });
  } catch (cause) {
    // Node goes on with advice on operands that begin with a dash, of which there are none.
    const problem = describe(cause).replace(/\. To specify a positional .*$/s, '');
    throw new Fault('invalid-argument', `${problem}; gantryd --help lists what there is`);
  }
}

function commandKind(words: string): 'serve' | 'check-config' | 'print-config' {
  switch (words) {
    case '':
      return 'serve';
    case 'config check':
      return 'check-config';
    case 'config default':
      return 'print-config';
    default:
      throw new Fault(
        'invalid-argument',
        `unknown command "${words}"; gantryd --help lists what there is`,
      );
  }
}
