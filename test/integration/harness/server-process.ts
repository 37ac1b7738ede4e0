import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { eventually } from './wait.ts';

/** A program that serves until it is ended. What it says goes to the file `log`. */
export type ServerProcess = {
  readonly pid: number;
  /** What `ready` matched. */
  readonly ready: RegExpExecArray;
  readonly isRunning: () => boolean;
  /** Sends `signal`, waits for the end of the program, and tells how it was: `code 0`, `SIGSEGV`. */
  readonly end: (signal: NodeJS.Signals) => Promise<string>;
};

export type ServerCommand = {
  readonly command: readonly string[];
  /** Appended to; made when missing. */
  readonly log: string;
  /** What the program writes, in this start, once it serves. */
  readonly ready: RegExp;
};

/** Starts the program and waits until it is ready. It is killed when this process ends, however that is. */
export async function startServer({ command, log, ready }: ServerCommand): Promise<ServerProcess> {
  const output = openSync(log, 'a');
  const before = readFileSync(log).length;
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
    stdio: ['ignore', output, output],
    // Ctrl-C in a terminal goes to the whole group; whoever disposes of it decides when it ends.
    detached: true,
  });
  closeSync(output);
  const said = () => readFileSync(log).subarray(before).toString();
  const match = await eventually(`${command.join(' ')} serves`, () => {
    if (hasEnded(child)) {
      throw new Error(`${command.join(' ')} ended at once, with ${ending(child)}:\n${said()}`);
    }
    return ready.exec(said()) ?? undefined;
  });
  if (child.pid === undefined) throw new Error('a started process has a pid');
  return {
    pid: child.pid,
    ready: match,
    isRunning: () => !hasEnded(child),
    end: async (signal) => {
      if (!hasEnded(child)) {
        const exit = once(child, 'exit');
        child.kill(signal);
        await exit;
      }
      return ending(child);
    },
  };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function ending({ exitCode, signalCode }: ChildProcess): string {
  return signalCode ?? `code ${exitCode}`;
}
