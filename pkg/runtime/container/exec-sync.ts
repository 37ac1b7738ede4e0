import { Fault } from '#errors/fault.ts';
import { openOutputPipe, type OutputPipe } from '#linux/child.ts';
import type { Engine } from '#runtime/engine.ts';
import { stage } from '#trace/span.ts';
import { runtimeWords } from '#runtime/runtime-words.ts';
import { rejectWhenAborted, within } from '#runtime/wait.ts';
import { CollectedOutput } from './collected-output.ts';
import type { Container } from './container.ts';
import {
  type ExecFiles,
  execPid,
  prepareExec,
  runningContainer,
  startExec,
} from './exec-process.ts';
import { type Exec, killExec } from './kill-exec.ts';

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
/** Of 31 bits are those of timers: 24 days. A longer time-out is as good as none. */
const maxTimeoutMs = 2 ** 31 - 1;
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
  const container = runningContainer(engine, idOrPrefix);
  using files = prepareExec(engine, container, { command: options.command, hasTerminal: false });
  const result = await stage('runtime', () => run(engine, container, { ...options, files }));
  const began = result.exitCode === 0 || execPid(files) !== undefined;
  if (began) return result;
  throw new Fault(
    'failed-precondition',
    `exec in container "${container.id}": ${runtimeWords(result.stderr.toString())}`,
  );
}

async function run(
  engine: Engine,
  container: Container,
  { command, timeoutMs, signal, files }: ExecOptions & { readonly files: ExecFiles },
): Promise<ExecResult> {
  using stdout = openOutputPipe();
  using stderr = openOutputPipe();
  const child = startExec(engine, container, {
    files,
    stdio: [null, stdout.writeFd, stderr.writeFd],
  });
  const room = { bytes: maxOutputBytes };
  const outputs = [collect(stdout, room), collect(stderr, room)] as const;
  const isLimited = timeoutMs > 0 && timeoutMs <= maxTimeoutMs;
  const cut = isLimited ? AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) : signal;
  using killed = rejectWhenAborted(cut, async () => {
    await kill(engine, container, { runtimePid: child.pid, pid: execPid(files) });
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
  return { stdout: out.collected.bytes(), stderr: err.collected.bytes(), exitCode };
}

/** A command that cannot be killed is an operator's business, whatever its caller makes of it. */
async function kill(engine: Engine, container: Container, exec: Exec): Promise<void> {
  try {
    await killExec(engine, container, exec);
  } catch (error) {
    const fields = { containerId: container.id, error };
    engine.log.error(fields, 'an exec that ran too long, or for nobody, goes on');
    throw error;
  }
}

type Collected = { readonly collected: CollectedOutput; readonly ended: Promise<void> };

/** Reads a child's output to its end, and keeps as much as there is room for. */
function collect(output: OutputPipe, room: { bytes: number }): Collected {
  output.closeWriteFd();
  const collected = new CollectedOutput(room);
  output.stream.on('data', (chunk: Buffer) => collected.add(chunk));
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  output.stream.on('close', resolve).on('error', () => resolve());
  return { collected, ended };
}
