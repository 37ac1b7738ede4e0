import { closeSync, fstatSync, readSync, writeSync } from 'node:fs';
import { type Child, startChild } from './child.ts';
import { check, memfdCreate } from './libc.ts';
import { explainProcess } from './process.ts';

/** A program that ended with another status than 0, or did not end in time. */
export class ProgramError extends Error {
  override readonly name: string = 'ProgramError';
  /** As a shell gives it; undefined when it had to be killed because it gave no answer. */
  readonly exitCode: number | undefined;

  constructor(message: string, exitCode: number | undefined) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Where a program that we run looks for others. */
export const programPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Runs a program to its end and returns what it wrote to its standard output, which should fit into
 * memory. It is killed after `timeoutMs`. The error's message is what the program said, or why it ended.
 *
 * execa, the project's way to run programs elsewhere, would take a ninth of the memory that the daemon
 * may use (8.6 MiB), for nothing that is needed here.
 */
export async function runProgram(
  path: string,
  args: readonly string[],
  options: {
    readonly timeoutMs: number;
    readonly input?: string;
    readonly env?: Readonly<Record<string, string>>;
    /** What it is to do, for the error; the first argument, when missing. */
    readonly command?: string;
  },
): Promise<string> {
  using input = openScratch(options.input);
  using output = openScratch();
  using errors = openScratch();
  const stdio = [input.fd, output.fd, errors.fd];
  const { timeoutMs, env = { PATH: programPath }, command = args[0] ?? '' } = options;
  const child = startChild({ path, args, env, stdio });
  const { exitCode, why } = await endWithin(child, timeoutMs);
  if (exitCode === 0) return output.text();
  throw new ProgramError(`${path} ${command}: ${errors.text().trim() || why}`, exitCode);
}

/** How long the end of a killed process is awaited: one that waits for a disk may take any time. */
const killPatienceMs = 2_000;

/** How a program ended: its exit status, which is absent when it was killed; and the same in words. */
export type ProgramEnd = { readonly exitCode: number | undefined; readonly why: string };

/** Waits for a child's end. After `timeoutMs` kills it, with its process group. */
export async function endWithin(child: Child, timeoutMs: number): Promise<ProgramEnd> {
  const exitCode = await exitCodeWithin(child, timeoutMs);
  if (exitCode !== undefined) return { exitCode, why: `exit status ${exitCode}` };
  // The pid is the child's own until it has been waited for, and it leads its process group.
  process.kill(-child.pid, 'SIGKILL');
  const why = `no answer within ${timeoutMs} ms`;
  const killed = await exitCodeWithin(child, killPatienceMs);
  if (killed !== undefined) return { exitCode: undefined, why };
  return { exitCode: undefined, why: `${why}, nor an end: ${explainProcess(child.pid)}` };
}

/** The timer keeps this process alive to see the end, which a child by itself does not. */
async function exitCodeWithin({ ended }: Child, timeoutMs: number): Promise<number | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, timeoutMs, undefined);
  try {
    return await Promise.race([ended, late]);
  } finally {
    clearTimeout(timer);
  }
}

export type Scratch = Disposable & { readonly fd: number; text(): string };

/** A file in memory (memfd_create(2)): what is written to it is there as soon as its writer has ended. */
export function openScratch(content = ''): Scratch {
  const MFD_CLOEXEC = 1;
  const fd = check(memfdCreate('gantry', MFD_CLOEXEC), 'memfd_create', '');
  // At a position, so that a program begins to read at the beginning.
  if (content !== '') writeSync(fd, content, 0);
  return {
    fd,
    text: () => {
      const buffer = Buffer.alloc(fstatSync(fd).size);
      return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, 0));
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}
