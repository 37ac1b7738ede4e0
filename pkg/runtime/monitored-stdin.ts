import { constants, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { isErrno } from '#errors/fault.ts';

/** The pipe's writing end is the caller's to close; with a terminal there is none. */
export type MonitoredStdin = { readonly pipeFd: number | undefined };

/** The descriptor by which conmon has told of the container's start: see createMonitored(). */
const reportFd = '3';
const accessModes = 3;
const O_CLOEXEC = 0o2000000;

/**
 * Opens the stdin of a container whose monitor has this pid. Undefined when there is none, or none any
 * more: the container was made without, or its end has come, or nobody reads it.
 */
export function openMonitoredStdin(
  monitorPid: number,
  { tty }: { readonly tty: boolean },
): MonitoredStdin | undefined {
  const folder = `/proc/${monitorPid}/fd`;
  const open = readdirSync(folder).map((fd) => ({ fd, target: linkTarget(`${folder}/${fd}`) }));
  // conmon has its end of a terminal twice, and closes the one that it writes to.
  if (tty) {
    const terminals = open.filter(({ target }) => target.endsWith('/ptmx'));
    return terminals.length === 2 ? { pipeFd: undefined } : undefined;
  }
  const stdin = open.find(
    ({ fd, target }) =>
      fd !== reportFd &&
      target.startsWith('pipe:') &&
      isOwnOutput(`/proc/${monitorPid}/fdinfo/${fd}`),
  );
  return stdin && openPipe(`${folder}/${stdin.fd}`);
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
  const flags = Number.parseInt(
    /^flags:\s*(\d+)/m.exec(readFileSync(path, 'latin1'))?.[1] ?? '',
    8,
  );
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
