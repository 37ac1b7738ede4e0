import { execFile } from 'node:child_process';

export type Ran = {
  /** Undefined when it could not be started, or had to be killed. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
};

const timeoutMs = 10_000;

/** Runs a program to its end, good or bad, for no longer than 10 s. */
export function runProgram(path: string, ...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(path, args, { timeout: timeoutMs }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      resolve({ exitCode: typeof code === 'number' ? code : undefined, stdout, stderr });
    });
  });
}
