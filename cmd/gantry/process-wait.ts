import { readText } from '#linux/read-file.ts';
import { readdirSync } from 'node:fs';

/** What a process is doing, as the kernel tells it: proc(5). */
export type ProcessWait = {
  readonly pid: number;
  /** Its program and arguments; the name in brackets for one without. */
  readonly command: string;
  /** `R` runs, `S` sleeps, `D` waits for the kernel and cannot be killed, `T` is stopped, `Z` has ended. */
  readonly state: string;
  /** The function of the kernel that it waits in. */
  readonly waitChannel?: string;
  /** The number of the system call that it is in. */
  readonly systemCall?: number;
  /** Functions of the kernel, the innermost first; for root alone. */
  readonly stack: readonly string[];
};

/** What a process does right now, or the thread whose folder `path` is; undefined when it has gone. */
export function processWait(pid: number, path = `/proc/${pid}`): ProcessWait | undefined {
  const stat = readProc(`${path}/stat`);
  if (stat === '') return undefined;
  const [, name = '', state = ''] = /\((.*)\) (\w)/s.exec(stat) ?? [];
  // Threads have no command line of their own.
  const command = path.includes('/task/') ? '' : readProc(`${path}/cmdline`);
  const channel = readProc(`${path}/wchan`) || '0';
  const call = Number.parseInt(readProc(`${path}/syscall`), 10);
  return {
    pid,
    command: command.split('\0').join(' ').trim() || `[${name}]`,
    state,
    ...(channel === '0' ? {} : { waitChannel: channel }),
    ...(call >= 0 ? { systemCall: call } : {}),
    stack: framesOf(readProc(`${path}/stack`)),
  };
}

/** Of lines such as `[<0>] futex_wait_queue+0x5f/0x90`. */
function framesOf(stack: string): string[] {
  return [...stack.matchAll(/\] (\S+)/g)].map(([, frame = '']) => frame);
}

/** Processes of whose command line one argument is, or contains, `text`. */
export function processesNaming(text: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => pid !== process.pid)
    .filter((pid) => readProc(`/proc/${pid}/cmdline`).includes(text));
}

/** In one line: `crun create …, state D, waiting in rpc_wait_bit_killable`. */
export function describeWait(wait: ProcessWait): string {
  const { pid, command, state, waitChannel, systemCall } = wait;
  const channel = waitChannel === undefined ? '' : `, waiting in ${waitChannel}`;
  const call = systemCall === undefined ? '' : `, system call ${systemCall}`;
  return `pid ${pid} (${command}): state ${state}${channel}${call}`;
}

/** Empty for what is gone, and for what the kernel does not let us see. */
function readProc(path: string): string {
  try {
    return readText(path);
  } catch {
    return '';
  }
}
