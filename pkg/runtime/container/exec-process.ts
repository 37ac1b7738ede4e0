import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Fault, faultCode } from '#errors/fault.ts';
import { type Child, type Command, startChild } from '#linux/child.ts';
import { setOomScoreAdj } from '#linux/oom-score.ts';
import { readIfThere } from '#linux/read-file.ts';
import { writeWhole } from '#linux/write-file.ts';
import { type Engine, handlerOf } from '#runtime/engine.ts';
import { globalArgs, runtimeEnvironment } from '#runtime/oci-runtime.ts';
import { parseExact, stringifyExact } from '#runtime/spec/exact-json.ts';
import type { Container } from './container.ts';

/** The container in which a command can be run. `failed-precondition` when it is not running. */
export function runningContainer(engine: Engine, idOrPrefix: string): Container {
  const container = engine.containers.get(idOrPrefix);
  const { id, state } = container;
  if (state.kind === 'running') return container;
  throw new Fault('failed-precondition', `exec in container "${id}": it is ${state.kind}`);
}

/** What the OCI runtime reads and writes about one exec. Removed with the scope. */
export type ExecFiles = Disposable & {
  readonly spec: string;
  readonly pid: string;
  readonly hasTerminal: boolean;
  readonly oomScoreAdj: number | undefined;
};

type Process = { readonly env?: readonly string[]; readonly oomScoreAdj?: number };

/** Describes the container's own process (its user, environment, capabilities) with another command. */
export function prepareExec(
  engine: Engine,
  { id }: Container,
  { command, hasTerminal }: { readonly command: readonly string[]; readonly hasTerminal: boolean },
): ExecFiles {
  const { folder, process: from } = engine.layout.container(id);
  const spec = join(folder, `${engine.nextExecName()}.json`);
  const own = parseExact<Process>(readFileSync(from, 'utf8'));
  const env = hasTerminal ? withTerm(own.env ?? []) : own.env;
  const process = { ...own, env, args: command, terminal: hasTerminal };
  const pid = execPidFile(spec);
  const remove = (): void => {
    rmSync(spec, { force: true });
    rmSync(pid, { force: true });
  };
  try {
    writeWhole(spec, stringifyExact(process), 0o600);
  } catch (cause) {
    remove();
    throw new Fault(faultCode(cause), `exec in container "${id}"`, { cause });
  }
  return { spec, pid, hasTerminal, oomScoreAdj: own.oomScoreAdj, [Symbol.dispose]: remove };
}

/** Whether a file of this name, in a container's folder, describes an exec. */
export function isExecFile(name: string): boolean {
  return /^exec-[\d-]+\.json$/.test(name);
}

export function execPidFile(spec: string): string {
  return `${spec}.pid`;
}

/** Programs on a terminal want to know its kind. */
function withTerm(env: readonly string[]): readonly string[] {
  return env.some((entry) => entry.startsWith('TERM=')) ? env : [...env, 'TERM=xterm'];
}

/** Starts the OCI runtime, which waits for the command and passes on its exit code. */
export function startExec(
  engine: Engine,
  { id, runtimeHandler }: Container,
  { files, stdio }: { readonly files: ExecFiles; readonly stdio: Command['stdio'] },
): Child {
  const runtime = handlerOf(engine, runtimeHandler);
  const tty = files.hasTerminal ? ['--tty'] : [];
  const args = ['exec', ...tty, '--process', files.spec, '--pid-file', files.pid, id];
  const child = startChild({
    path: runtime.path,
    args: [...globalArgs(runtime), ...args],
    env: runtimeEnvironment(engine.layout.container(id).folder),
    stdio,
  });
  // crun gives it to containers alone: a command would have that of the daemon, and be spared.
  if (files.oomScoreAdj !== undefined) setOomScoreAdj(child.pid, files.oomScoreAdj);
  return child;
}

/** The exec'd process's pid, which the OCI runtime writes once the command could be begun. */
export function execPid({ pid }: ExecFiles): number | undefined {
  return Number(readIfThere(pid) ?? 0) || undefined;
}
