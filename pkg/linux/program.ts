import { closeSync, fstatSync, readSync, writeSync } from 'node:fs';
import { startChild } from './child.ts';
import { check, memfdCreate } from './libc.ts';

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
  const { timeoutMs, env = { PATH: programPath } } = options;
  const child = startChild({ path, args, env, stdio });
  let isLate = false;
  // Again and again: a timer that is over would no longer keep this process alive to see the end.
  const timer = setInterval(() => {
    isLate = true;
    // The pid is the child's own until it has been waited for, and it leads its process group.
    process.kill(-child.pid, 'SIGKILL');
  }, timeoutMs);
  const exitCode = await child.ended;
  clearInterval(timer);
  if (exitCode === 0) return output.text();
  const why = isLate ? `no answer within ${timeoutMs} ms` : `exit status ${exitCode}`;
  const { command = args[0] ?? '' } = options;
  const message = `${path} ${command}: ${errors.text().trim() || why}`;
  throw new ProgramError(message, isLate ? undefined : exitCode);
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
