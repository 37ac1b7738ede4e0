import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault, isErrno } from '#errors/fault.ts';
import { openOutputPipe, type OutputPipe, startChild } from '#linux/child.ts';
import { programPath } from '#linux/program.ts';
import { type Engine, handlerOf } from '#runtime/engine.ts';
import { globalArgs } from '#runtime/oci-runtime.ts';
import { rejectWhenAborted, within } from '#runtime/wait.ts';
import type { Container } from './container.ts';
import { killExec } from './kill-exec.ts';

export type ExecResult = {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  /** As a shell gives it: 128 + n for a process that signal n ended. */
  readonly exitCode: number;
};

export type ExecOptions = {
  readonly command: readonly string[];
  /** 0: no limit. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
};

/**
 * Both streams together fit into a message of 16 MiB, the most that kubelet takes. What comes after
 * that is read, so that the process does not block, and dropped.
 */
const maxOutputBytes = 16 * 1024 * 1024 - 1024;
/** How long output is awaited from processes that a command leaves behind with its pipes open. */
const drainTimeoutMs = 1_000;

/**
 * Runs a command in a running container, as the container's user, to its end. After the time-out, or
 * when the signal is aborted, the command's processes are gone before this throws.
 */
export async function execSync(
  engine: Engine,
  idOrPrefix: string,
  options: ExecOptions,
): Promise<ExecResult> {
  const container = engine.containers.get(idOrPrefix);
  const act = `exec in container "${container.id}"`;
  if (container.state.kind !== 'running') {
    throw new Fault('failed-precondition', `${act}: it is ${container.state.kind}`);
  }
  const paths = engine.layout.container(container.id);
  const spec = join(paths.folder, `${engine.nextExecName()}.json`);
  const files = { spec, pid: `${spec}.pid` };
  try {
    writeExecSpec(paths.process, files.spec, options.command);
    const result = await run(engine, container, { ...options, files });
    const began = result.exitCode === 0 || readPid(files.pid) !== undefined;
    if (began) return result;
    throw new Fault('failed-precondition', `${act}: ${result.stderr.toString().trim()}`);
  } finally {
    rmSync(files.spec, { force: true });
    rmSync(files.pid, { force: true });
  }
}

type ExecFiles = { readonly spec: string; readonly pid: string };

/** The container's own process (its user, environment, capabilities) with another command. */
function writeExecSpec(from: string, to: string, command: readonly string[]): void {
  const process: object = JSON.parse(readFileSync(from, 'utf8'));
  writeFileSync(to, JSON.stringify({ ...process, args: command, terminal: false }), {
    mode: 0o600,
  });
}

async function run(
  engine: Engine,
  container: Container,
  { command, timeoutMs, signal, files }: ExecOptions & { readonly files: ExecFiles },
): Promise<ExecResult> {
  const runtime = handlerOf(engine, container.runtimeHandler);
  const args = ['exec', '--process', files.spec, '--pid-file', files.pid, container.id];
  using stdout = openOutputPipe();
  using stderr = openOutputPipe();
  const child = startChild({
    path: runtime.path,
    args: [...globalArgs(runtime), ...args],
    env: { PATH: programPath },
    stdio: [null, stdout.writeFd, stderr.writeFd],
  });
  const room = { bytes: maxOutputBytes };
  const outputs = [collect(stdout, room), collect(stderr, room)] as const;
  const cut = timeoutMs > 0 ? AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) : signal;
  using killed = rejectWhenAborted(cut, async () => {
    await killExec(engine, container, { runtimePid: child.pid, pid: readPid(files.pid) });
    const why = signal.aborted ? 'its caller has gone' : `it ran longer than ${timeoutMs} ms`;
    return new Fault(
      'deadline-exceeded',
      `exec in container "${container.id}": "${command.join(' ')}" was killed: ${why}`,
    );
  });
  const exitCode = await Promise.race([child.ended, killed]);
  // The killing itself makes it end.
  if (cut.aborted) await killed;
  await within(Promise.all(outputs.map(({ ended }) => ended)), drainTimeoutMs);
  const [out, err] = outputs;
  return { stdout: Buffer.concat(out.chunks), stderr: Buffer.concat(err.chunks), exitCode };
}

type Collected = { readonly chunks: readonly Buffer[]; readonly ended: Promise<void> };

/** Reads a child's output to its end, and keeps as much as there is room for. */
function collect(output: OutputPipe, room: { bytes: number }): Collected {
  output.closeWriteFd();
  const chunks: Buffer[] = [];
  output.stream.on('data', (chunk: Buffer) => {
    if (room.bytes > 0) chunks.push(chunk.subarray(0, room.bytes));
    room.bytes -= chunk.length;
  });
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  output.stream.on('close', resolve).on('error', () => resolve());
  return { chunks, ended };
}

/** The exec'd process's pid, which the OCI runtime writes once the command could be begun. */
function readPid(path: string): number | undefined {
  try {
    return Number(readFileSync(path, 'utf8')) || undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
