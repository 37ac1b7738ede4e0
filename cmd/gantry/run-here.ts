import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { isErrno } from '#errors/fault.ts';
import { ExitError } from './command.ts';

function ignore(): void {}

/** Runs a program with our standard streams to its end. Returns its exit code, as a shell gives it. */
export async function runHere(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<number> {
  const child = spawn(path, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  // A terminal sends these to the program as well, which decides what becomes of them.
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, ignore);
  try {
    const [code, signal]: [number | null, NodeJS.Signals | null] = await ended(child);
    return code ?? 128 + constants.signals[signal ?? 'SIGKILL'];
  } catch (cause) {
    if (!isErrno(cause, 'ENOENT')) throw cause;
    throw new ExitError('failed', `there is no program "${path}" on this node`, { cause });
  } finally {
    for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.off(signal, ignore);
  }
}

function ended(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  const { promise, resolve, reject } =
    Promise.withResolvers<[number | null, NodeJS.Signals | null]>();
  child.on('error', reject).on('exit', (code, signal) => resolve([code, signal]));
  return promise;
}
