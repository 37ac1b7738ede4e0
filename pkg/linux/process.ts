import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { SyscallError } from '#errors/fault.ts';
import { check, lastError, pidfdOpen, pidfdSendSignal } from './libc.ts';
import { readIfThere } from './read-file.ts';

/** One process, not whichever has its pid by now: a pid with the start time of its process. */
export type ProcessId = {
  readonly pid: number;
  /** Clock ticks after boot, field 22 of /proc/[pid]/stat (proc_pid_stat(5)). */
  readonly startTime: number;
};

/** What /proc/[pid]/stat says of a process; `state` is a letter, `session` as in setsid(2). */
export type ProcessInfo = ProcessId & {
  readonly state: string;
  readonly parent: number;
  readonly session: number;
};

/**
 * The process that has `pid` now, or undefined. A zombie counts as gone, unless threads of it go on: the
 * first one may end before the others (pthread_exit(3)).
 */
export function identifyProcess(pid: number): ProcessId | undefined {
  const info = inspectProcess(pid);
  return info === undefined ? undefined : { pid, startTime: info.startTime };
}

/** Whether that very process still runs. */
export function isAlive(process: ProcessId): boolean {
  return identifyProcess(process.pid)?.startTime === process.startTime;
}

/**
 * Sends a signal (a number) to that very process. Returns false when it is gone.
 * The pidfd is opened before the start time is checked, so that the pid cannot change hands between.
 */
export function signalProcess(process: ProcessId, signal: number): boolean {
  const fd = pidfdOpen(process.pid, 0);
  if (fd < 0) {
    const error = lastError();
    if (error === 'ESRCH') return false;
    throw new SyscallError('pidfd_open', error, `${process.pid}`);
  }
  try {
    if (!isAlive(process)) return false;
    const result = pidfdSendSignal(fd, signal, null, 0);
    if (result < 0 && lastError() === 'ESRCH') return false;
    check(result, 'pidfd_send_signal', `${process.pid}, ${signal}`);
    return true;
  } finally {
    closeSync(fd);
  }
}

/** What holds a process up, for error messages: its state and the kernel function it waits in. */
export function explainProcess(pid: number): string {
  const state = inspectProcess(pid)?.state;
  if (state === undefined) return `process ${pid} is gone`;
  const place = readIfThere(`/proc/${pid}/wchan`) ?? '0';
  return `process ${pid} is in state ${state}${place === '0' ? '' : `, waiting in ${place}`}`;
}

/**
 * What the process that has `pid` now is doing, or undefined when there is none or it is a zombie.
 * The command in field 2 may hold spaces and parentheses, so fields are counted after the last one.
 */
export function inspectProcess(pid: number): ProcessInfo | undefined {
  const text = readIfThere(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state = '', parent, , session] = fields;
  const hasThreads = Number(fields[17]) > 1;
  if (state === 'X' || (state === 'Z' && !hasThreads)) return undefined;
  return {
    pid,
    state,
    parent: Number(parent),
    session: Number(session),
    startTime: Number(fields[19]),
  };
}

/** The number of a signal by its name, with or without `SIG`, or by its number; or undefined. */
export function signalNumber(name: string): number | undefined {
  if (/^\d+$/.test(name)) {
    const number = Number(name);
    return number >= 1 && number <= lastRealTimeSignal ? number : undefined;
  }
  const upper = name.toUpperCase();
  const full = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  if (full === 'SIGCLD') return constants.signals.SIGCHLD;
  return new Map(Object.entries<number>(constants.signals)).get(full) ?? realTimeSignal(full);
}

// As libc counts them: the kernel's first two are glibc's own.
const firstRealTimeSignal = 34;
const lastRealTimeSignal = 64;

function realTimeSignal(name: string): number | undefined {
  const match = /^SIGRT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (match === null) return undefined;
  const [, base, sign, offset = '0'] = match;
  const number =
    (base === 'MIN' ? firstRealTimeSignal : lastRealTimeSignal) +
    (sign === '-' ? -Number(offset) : Number(offset));
  return number >= firstRealTimeSignal && number <= lastRealTimeSignal ? number : undefined;
}
