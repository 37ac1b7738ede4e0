import { setTimeout as delay } from 'node:timers/promises';
import { isErrno } from '#errors/fault.ts';
import { type Child, openOutputPipe, type OutputPipe, startChild } from './child.ts';
import { openScratch } from './program.ts';

/** What became of a program that nobody vouches for. */
export type Captured = {
  /** As a shell gives it. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Why it had to be killed, with all of its process group, if it had to be. */
  readonly killedFor?: string;
};

export type CaptureOptions = {
  readonly env: Readonly<Record<string, string>>;
  readonly input: string;
  readonly timeoutMs: number;
  /** Of standard output; who writes more is killed. Of standard error the beginning is kept. */
  readonly maxOutputBytes: number;
  /** Kills it, too, when aborted. */
  readonly signal?: AbortSignal;
};

/** How long the end of a killed process is awaited: one in a system call may take any time. */
const killPatienceMs = 2_000;
/** How long output is awaited from what a program leaves behind with its output open. */
const drainPatienceMs = 200;

/**
 * Runs a program that may hang, fail or write without end. Throws only when it cannot be started; one
 * that is being written at the moment (ETXTBSY) is given a second.
 */
export async function captureProgram(path: string, options: CaptureOptions): Promise<Captured> {
  using input = openScratch(options.input);
  using stdout = openOutputPipe();
  using stderr = openOutputPipe();
  const stdio = [input.fd, stdout.writeFd, stderr.writeFd];
  const child = await startWhenWritten(() =>
    startChild({ path, args: [], env: options.env, stdio }),
  );
  const killed = Promise.withResolvers<string>();
  const timer = setTimeout(
    () => killed.resolve(`no answer within ${options.timeoutMs} ms`),
    options.timeoutMs,
  );
  const abort = (): void => killed.resolve('it is not wanted any more');
  options.signal?.addEventListener('abort', abort);
  if (options.signal?.aborted === true) abort();
  const out = collect(stdout, options.maxOutputBytes, () =>
    killed.resolve(`it writes more than ${options.maxOutputBytes} bytes`),
  );
  const err = collect(stderr, options.maxOutputBytes);
  const end = await Promise.race([child.ended, killed.promise]);
  clearTimeout(timer);
  options.signal?.removeEventListener('abort', abort);
  const killedFor = typeof end === 'string' ? end : undefined;
  const exitCode = typeof end === 'string' ? await kill(child) : end;
  await Promise.race([Promise.all([out.ended, err.ended]), delay(drainPatienceMs)]);
  return {
    exitCode,
    stdout: out.text(),
    stderr: err.text(),
    ...(killedFor === undefined ? {} : { killedFor }),
  };
}

/** An installer that copies over a program has it open for writing until it is whole. */
async function startWhenWritten(start: () => Child): Promise<Child> {
  for (let attempt = 0; ; attempt++) {
    try {
      return start();
    } catch (error) {
      if (!isErrno(error, 'ETXTBSY') || attempt === 5) throw error;
      await delay(200);
    }
  }
}

async function kill({ pid, ended }: Child): Promise<number> {
  // The pid is the child's own until it has been waited for, and it leads its process group.
  process.kill(-pid, 'SIGKILL');
  return Promise.race([ended, delay(killPatienceMs, 137)]);
}

type Collected = { readonly ended: Promise<void>; text(): string };

function collect(output: OutputPipe, maxBytes: number, overflow?: () => void): Collected {
  output.closeWriteFd();
  const chunks: Buffer[] = [];
  let room = maxBytes;
  output.stream.on('data', (chunk: Buffer) => {
    if (room > 0) chunks.push(chunk.subarray(0, room));
    room -= chunk.length;
    if (room < 0) overflow?.();
  });
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  output.stream.on('close', resolve).on('error', () => resolve());
  return { ended, text: () => Buffer.concat(chunks).toString() };
}
