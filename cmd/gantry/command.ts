import type { parseArgs, ParseArgsOptionsConfig } from 'node:util';
import type { AdminClient } from './admin-client.ts';

/** What a command works with. */
export type Invocation = {
  readonly admin: AdminClient;
  readonly operands: readonly string[];
  readonly options: Readonly<ReturnType<typeof parseArgs>['values']>;
  /** Whether a program reads the output. */
  readonly isJson: boolean;
};

/** One subcommand: `gantry images pull`. */
export type Command = {
  /** What comes after its name. */
  readonly synopsis: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** The rest of its help. */
  readonly details: string;
  readonly flags: ParseArgsOptionsConfig;
  /** How many operands it takes. */
  readonly operands: { readonly min: number; readonly max: number };
  run(invocation: Invocation): Promise<void>;
};

export const exitCodes = { failed: 1, usage: 2, unreachable: 3 } as const;

/** What ends the program with a message and a code. */
export class ExitError extends Error {
  readonly exitCode: number;

  constructor(reason: keyof typeof exitCodes, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCodes[reason];
  }
}
