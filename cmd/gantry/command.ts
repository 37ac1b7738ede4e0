import type { parseArgs, ParseArgsOptionsConfig } from 'node:util';
import type { AdminClient } from './admin-client.ts';
import type { NodeView } from './node-view.ts';
import type { Places } from './places.ts';

/** What a command works with. */
export type Invocation = {
  readonly admin: AdminClient;
  /** The pods and containers of this node, whether the daemon is up or not. */
  readonly node: NodeView;
  readonly places: Places;
  readonly operands: readonly string[];
  readonly options: Readonly<ReturnType<typeof parseArgs>['values']>;
  /** Whether a program reads the output. */
  readonly isJson: boolean;
};

/** One subcommand: `gantry images pull`. */
export type Command = {
  /** What comes after its name. */
  readonly synopsis: string;
  /** Its help, after the summary: what it does, its flags, examples. */
  readonly details: string;
  readonly flags: ParseArgsOptionsConfig;
  /** How many operands it takes. */
  readonly operands: {
    readonly min: number;
    readonly max: number;
    /** After so many, what follows is a command line of its own: its flags are not ours. */
    readonly thenCommand?: number;
  };
  /** Whether it works, as far as it can, with a configuration that cannot be read. */
  readonly isLenient?: boolean;
  /** Exit code, where it is not 0. */
  run(invocation: Invocation): Promise<number | void>;
};

export const exitCodes = { failed: 1, usage: 2, unreachable: 3 } as const;

/** What ends the program with a message and a code. */
export class ExitError extends Error {
  readonly reason: keyof typeof exitCodes;

  constructor(reason: keyof typeof exitCodes, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }

  get exitCode(): number {
    return exitCodes[this.reason];
  }
}
