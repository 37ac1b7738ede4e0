import type { Readable, Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { Fault } from '#errors/fault.ts';
import { openInputPipe, openOutputPipe } from '#linux/child.ts';
import { freeBuffer } from '#linux/free-buffer.ts';
import { openPty, resizeTerminalOf } from '#linux/pty.ts';
import type { Engine } from '#runtime/engine.ts';
import { rejectWhenAborted, within } from '#runtime/wait.ts';
import { type ClientStreams, feed } from './client-streams.ts';
import type { Container } from './container.ts';
import {
  type ExecFiles,
  execPid,
  prepareExec,
  runningContainer,
  startExec,
} from './exec-process.ts';
import { killExec } from './kill-exec.ts';

export type StreamedExec = {
  readonly command: readonly string[];
  readonly hasTerminal: boolean;
  /** What is absent is /dev/null to the command. */
  readonly streams: ClientStreams;
};

/** How long output is awaited from processes that a command leaves behind with its pipes open. */
const drainTimeoutMs = 1_000;
/** The most that a pipe holds (/proc/sys/fs/pipe-max-size): so much may be a command's own when it ends. */
const maxPipeBytes = 1024 * 1024;
/** Of an OCI runtime, about why a command could not be begun. */
const maxWordsBytes = 1_024;

/**
 * Runs a command in a running container, as the container's user, with its streams passed on as they
 * come. Returns its exit code, as a shell gives it, when it has ended and its output has been taken;
 * then the client's writing ends are ended. When the signal is aborted, the command's processes are
 * gone before this throws.
 */
export async function exec(
  engine: Engine,
  idOrPrefix: string,
  { signal, ...options }: StreamedExec & { readonly signal: AbortSignal },
): Promise<number> {
  const container = runningContainer(engine, idOrPrefix);
  using files = prepareExec(engine, container, options);
  using session = options.hasTerminal
    ? startOnTerminal(engine, container, { ...options, files })
    : startOnPipes(engine, container, { ...options, files });
  const act = `exec in container "${container.id}"`;
  using killed = rejectWhenAborted(signal, async () => {
    await killExec(engine, container, { runtimePid: session.pid, pid: execPid(files) });
    return new Fault('cancelled', `${act}: its client has gone`);
  });
  const exitCode = await Promise.race([session.ended, killed]);
  // The killing itself makes it end.
  if (signal.aborted) await killed;
  await Promise.race([Promise.all(session.outputs.map(drained)), killed]);
  if (exitCode === 0 || execPid(files) !== undefined) return exitCode;
  throw new Fault('failed-precondition', `${act}: ${session.lastWords()}`);
}

type Started = Disposable & {
  /** Of the OCI runtime. */
  readonly pid: number;
  readonly ended: Promise<number>;
  readonly outputs: readonly Output[];
  /** What the OCI runtime said last, should it be that the command could not be begun. */
  readonly lastWords: () => string;
};

type Options = StreamedExec & { readonly files: ExecFiles };

function startOnPipes(engine: Engine, container: Container, { files, streams }: Options): Started {
  using opened = new DisposableStack();
  const stdin = streams.stdin && opened.use(openInputPipe());
  const stdout = streams.stdout && opened.use(openOutputPipe());
  // Also without a client for it, for what the OCI runtime has to say.
  const stderr = opened.use(openOutputPipe());
  const stdio = [stdin?.readFd ?? null, stdout?.writeFd ?? null, stderr.writeFd];
  const child = startExec(engine, container, { files, stdio });
  stdin?.closeReadFd();
  stdout?.closeWriteFd();
  stderr.closeWriteFd();
  feed(streams.stdin, stdin?.stream);
  const errors = passOn(stderr.stream, streams.stderr);
  const outputs = stdout === undefined ? [errors] : [passOn(stdout.stream, streams.stdout), errors];
  return { ...child, outputs, lastWords: errors.lastWords, ...scopeOf(opened) };
}

function startOnTerminal(
  engine: Engine,
  container: Container,
  { files, streams }: Options,
): Started {
  using opened = new DisposableStack();
  const pty = opened.use(openPty());
  const child = startExec(engine, container, { files, stdio: [pty.path, pty.path, pty.path] });
  feed(streams.stdin, pty.input);
  streams.onResize((size) => {
    pty.resize(size);
    // The command's own terminal is the OCI runtime's, and crun looks at the size of ours once only.
    const pid = execPid(files);
    if (pid !== undefined) resizeTerminalOf(pid, size);
  });
  const output = passOn(pty.output, streams.stdout);
  return { ...child, outputs: [output], lastWords: output.lastWords, ...scopeOf(opened) };
}

function scopeOf(opened: DisposableStack): Disposable {
  const stack = opened.move();
  return { [Symbol.dispose]: () => stack.dispose() };
}

type Output = {
  readonly ended: Promise<void>;
  readonly bytesRead: () => number;
  /** How often it has waited for the client, and whether it does now. */
  readonly pauses: () => number;
  readonly isPaused: () => boolean;
  readonly cut: () => void;
  readonly lastWords: () => string;
};

/** Gives a client what a command writes, at the client's pace. A client that is gone breaks the pipe. */
function passOn(source: Readable, client: Writable | undefined): Output {
  let bytesRead = 0;
  let pauses = 0;
  let last = '';
  source.on('data', (chunk: Buffer) => {
    bytesRead += chunk.length;
    last = chunk.toString('utf8', 0, maxWordsBytes);
    if (client === undefined) freeBuffer(chunk);
    else if (!client.write(chunk, () => freeBuffer(chunk))) {
      source.pause();
      pauses += 1;
    }
  });
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const cut = (): void => {
    source.destroy();
    client?.end();
  };
  // A terminal's end is an error: EIO.
  source.on('error', cut).on('close', cut).on('close', resolve);
  source.on('end', () => client?.end());
  client?.on('drain', () => source.resume()).on('close', cut);
  return {
    ended,
    cut,
    bytesRead: () => bytesRead,
    pauses: () => pauses,
    isPaused: () => client?.writableNeedDrain === true,
    lastWords: () => last.trim() || 'no reason given',
  };
}

/**
 * Waits for what a command has written before its end. When a while has passed in which the client was
 * always ready for more, or more has come than a pipe holds, the rest is of others.
 */
async function drained(output: Output): Promise<void> {
  const bytesAtEnd = output.bytesRead();
  for (;;) {
    const pauses = output.pauses();
    if (await within(output.ended, drainTimeoutMs)) return;
    const bytesBefore = output.bytesRead();
    // Where all of us was held up, what has arrived meanwhile is read only after the timers.
    await setImmediate();
    const mayHaveWaited =
      output.isPaused() || output.pauses() !== pauses || output.bytesRead() !== bytesBefore;
    if (!mayHaveWaited || output.bytesRead() - bytesAtEnd > maxPipeBytes) return output.cut();
  }
}
