import { type ChildProcess, execFile } from 'node:child_process';
import { constants } from 'node:os';

/** A program that could not be run, or that ended with another status than 0. */
export class ProgramError extends Error {
  override readonly name: string = 'ProgramError';
  /** Exit status; undefined when it was ended by a signal, timed out or could not be started. */
  readonly exitCode: number | undefined;

  constructor(message: string, exitCode: number | undefined) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Runs a program to its end and returns its standard output. It is killed after `timeoutMs`.
 * The error's message is what the program said, or why it ended.
 *
 * execa is the project's way to run programs elsewhere; in the daemon it would take a ninth of the
 * memory that it may use (8.6 MiB), for nothing that is needed here.
 */
export function runProgram(
  path: string,
  args: readonly string[],
  options: { readonly timeoutMs: number; readonly input?: string },
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const settings = {
    timeout: options.timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: 1 << 20,
  } as const;
  const child = execFile(path, [...args], settings, (error, stdout, stderr) => {
    if (error === null) return resolve(stdout);
    const why = error.killed === true ? `no answer within ${options.timeoutMs} ms` : error.message;
    const exitCode = typeof error.code === 'number' ? error.code : undefined;
    reject(new ProgramError(`${path} ${args[0] ?? ''}: ${stderr.trim() || why}`, exitCode));
  });
  // A program that ends without reading its input is judged by its exit status.
  child.stdin?.on('error', () => {});
  child.stdin?.end(options.input);
  return promise;
}

/** The status with which a child ends, as a shell gives it: 128 + n when signal n ended it. */
export function exitOf(child: ChildProcess): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.on('error', reject).on('exit', (code, signal) => {
    resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
  });
  return promise;
}
