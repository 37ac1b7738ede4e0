import { closeSync, constants } from 'node:fs';
import { Socket } from 'node:net';
import { SyscallError } from '#errors/fault.ts';
import {
  check,
  errorName,
  pipe2,
  posixSpawn,
  spawnActionsChdir,
  spawnActionsCloseFrom,
  spawnActionsDestroy,
  spawnActionsDup2,
  spawnActionsInit,
  spawnActionsOpen,
  spawnAttributesInit,
  spawnAttributesSetDefault,
  spawnAttributesSetFlags,
  spawnAttributesSetMask,
  waitpid,
} from './libc.ts';

/** A program to be started. It gets the descriptors in `stdio`, in order, and no others. */
export type Command = {
  readonly path: string;
  /** Without the program's own name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Absent: ours. */
  readonly cwd?: string;
  /**
   * Descriptors of ours that it shall have as 0, 1, 2 and so on, or paths to be opened for it; `null`
   * is /dev/null. The first path of a terminal makes that its controlling terminal.
   */
  readonly stdio: readonly (number | string | null)[];
};

export type Child = {
  readonly pid: number;
  /** Its exit status as a shell gives it: 128 + n when signal n ended it. */
  readonly ended: Promise<number>;
};

type StartedChild = Child & Pick<Command, 'path'>;

const listeners = new Set<(child: StartedChild) => void>();

/** Calls `listener` with each program as it is started, within the call that starts it. */
export function onChildStarted(listener: (child: StartedChild) => void): Disposable {
  listeners.add(listener);
  return { [Symbol.dispose]: () => listeners.delete(listener) };
}

// Larger than the structures of any C library.
const structBytes = 512;
const signalSetBytes = 128;
// <spawn.h> of glibc and musl
const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;

/**
 * Starts a program in a session of its own, with every signal as a program expects it.
 *
 * node:child_process forks, which copies the page tables of the whole daemon, and makes pipes of
 * sockets, which a script cannot open as /dev/stdout. posix_spawn(3) does not, and takes pipes.
 */
export function startChild({ path, args, env, cwd, stdio }: Command): Child {
  watchChildren();
  const actions = Buffer.alloc(structBytes);
  spawnActionsInit(actions);
  try {
    stdio.forEach((given, target) => {
      if (typeof given === 'number') spawnActionsDup2(actions, given, target);
      else spawnActionsOpen(actions, target, given ?? '/dev/null', constants.O_RDWR, 0);
    });
    // Ours close by themselves, those that whoever started us left open do not.
    spawnActionsCloseFrom(actions, stdio.length);
    if (cwd !== undefined) spawnActionsChdir(actions, cwd);
    const pid = new Int32Array(1);
    const environment = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const argv = [path, ...args, null];
    const error = posixSpawn(pid, path, actions, attributes(), argv, [...environment, null]);
    if (error !== 0) throw new SyscallError('posix_spawn', errorName(error), path);
    const child = { path, pid: pid[0] ?? 0, ended: reap(pid[0] ?? 0) };
    for (const listener of listeners) listener(child);
    return child;
  } finally {
    spawnActionsDestroy(actions);
  }
}

function attributes(): Buffer {
  const buffer = Buffer.alloc(structBytes);
  spawnAttributesInit(buffer);
  const flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID;
  spawnAttributesSetFlags(buffer, flags);
  // Node ignores SIGPIPE, and an ignored signal stays so in programs.
  spawnAttributesSetDefault(buffer, Buffer.alloc(signalSetBytes, 0xff));
  spawnAttributesSetMask(buffer, Buffer.alloc(signalSetBytes));
  return buffer;
}

const WNOHANG = 1;
const running = new Map<number, (exitCode: number) => void>();

let isWatching = false;

/** Node waits for the children that it has started itself, and for no others. Begins before the first. */
function watchChildren(): void {
  if (!isWatching) process.on('SIGCHLD', reapEnded);
  isWatching = true;
}

function reap(pid: number): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  running.set(pid, resolve);
  return promise;
}

function reapEnded(): void {
  const status = new Int32Array(1);
  for (const [pid, resolve] of running) {
    if (waitpid(pid, status, WNOHANG) !== pid) continue;
    running.delete(pid);
    resolve(exitCode(status[0] ?? 0));
  }
}

/** WIFSIGNALED and WEXITSTATUS of wait(2). */
function exitCode(status: number): number {
  const signal = status & 0x7f;
  return signal === 0 ? (status >> 8) & 0xff : 128 + signal;
}

/** The reading end, as a stream, and the descriptor to hand to a child. Both close with the scope. */
export type OutputPipe = Disposable & {
  readonly stream: Socket;
  readonly writeFd: number;
  /** To be called once the child has its copy: the end of the stream is the end of all writers. */
  closeWriteFd(): void;
};

export function openOutputPipe(): OutputPipe {
  const { ours: stream, theirs, closeTheirs, ...scope } = openPipe('out');
  return { stream, writeFd: theirs, closeWriteFd: closeTheirs, ...scope };
}

/** The writing end, as a stream, and the descriptor to hand to a child. Both close with the scope. */
export type InputPipe = Disposable & {
  readonly stream: Socket;
  readonly readFd: number;
  /** To be called once the child has its copy: writing fails when all readers have ended. */
  closeReadFd(): void;
};

export function openInputPipe(): InputPipe {
  const { ours: stream, theirs, closeTheirs, ...scope } = openPipe('in');
  return { stream, readFd: theirs, closeReadFd: closeTheirs, ...scope };
}

/** `out` of the child, or `in`. */
function openPipe(direction: 'out' | 'in') {
  const O_CLOEXEC = 0o2000000;
  const fds = new Int32Array(2);
  check(pipe2(fds, O_CLOEXEC), 'pipe2', '');
  const [readFd = -1, writeFd = -1] = fds;
  const isOut = direction === 'out';
  const theirs = isOut ? writeFd : readFd;
  const ours = new Socket({ fd: isOut ? readFd : writeFd, readable: isOut, writable: !isOut });
  let isOpen = true;
  const closeTheirs = (): void => {
    if (isOpen) closeSync(theirs);
    isOpen = false;
  };
  return {
    ours,
    theirs,
    closeTheirs,
    [Symbol.dispose]: () => {
      closeTheirs();
      ours.destroy();
    },
  };
}
