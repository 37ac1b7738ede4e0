import { constants, openSync, readdirSync, readlinkSync } from 'node:fs';
import { isErrno } from '#errors/fault.ts';
import { readIfThere } from '#linux/read-file.ts';

/** The pipe's writing end, which is the caller's to close; without one, the monitor takes input. */
export type MonitoredStdin = { readonly pipeFd: number | undefined };

/** The descriptor by which conmon has told of the container's start: see createMonitored(). */
const reportFd = '3';
const accessModes = 3;
const O_CLOEXEC = 0o2000000;

/**
 * Opens the stdin of a container that was made with one, whose monitor has this pid. Undefined when its
 * end has come, or nobody reads it any more.
 */
export function openMonitoredStdin(
  monitorPid: number,
  { tty, stdinOnce }: { readonly tty: boolean; readonly stdinOnce: boolean },
): MonitoredStdin | undefined {
  const folder = `/proc/${monitorPid}/fd`;
  const open = readdirSync(folder).map((fd) => ({ fd, target: linkTarget(`${folder}/${fd}`) }));
  const stdin = open.find(
    ({ fd, target }) =>
      fd !== reportFd &&
      target.startsWith('pipe:') &&
      isOwnOutput(`/proc/${monitorPid}/fdinfo/${fd}`),
  );
  if (stdin !== undefined && !tty) return openPipe(`${folder}/${stdin.fd}`);
  // conmon has its end of a terminal twice, and closes the one that it writes to.
  const isTerminalOpen = open.filter(({ target }) => target.endsWith('/ptmx')).length === 2;
  return !stdinOnce || (tty && isTerminalOpen) ? { pipeFd: undefined } : undefined;
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    // Closed since it was listed.
    if (isErrno(error, 'ENOENT')) return '';
    throw error;
  }
}

/**
 * Whether a descriptor is for writing, and conmon has opened it itself: what it was started with has not
 * been closed on exec. The flags are octal: proc_pid_fdinfo(5).
 */
function isOwnOutput(path: string): boolean {
  const flags = Number.parseInt(/^flags:\s*(\d+)/m.exec(readIfThere(path) ?? '')?.[1] ?? '', 8);
  return (flags & accessModes) === constants.O_WRONLY && (flags & O_CLOEXEC) !== 0;
}

function openPipe(path: string): MonitoredStdin | undefined {
  try {
    return { pipeFd: openSync(path, constants.O_WRONLY | constants.O_NONBLOCK) };
  } catch (error) {
    // fifo(7): nobody has it open for reading.
    if (isErrno(error, 'ENXIO', 'ENOENT')) return undefined;
    throw error;
  }
}
