import {
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '#errors/fault.ts';
import { openOutputPipe, startChild } from '#linux/child.ts';
import { unreadBytes } from '#linux/descriptor-io.ts';
import { descendantsOf } from '#linux/process-list.ts';
import { identifyProcess, isAlive, type ProcessId, signalProcess } from '#linux/process.ts';
import { readIfThere } from '#linux/read-file.ts';
import type { CgroupDriver } from './cgroup-path.ts';
import type { ContainerId } from './id.ts';
import type { Layout } from './layout.ts';
import { creationArgs, type OciRuntime, runtimeEnvironment } from './oci-runtime.ts';
import { runtimeWords } from './runtime-words.ts';

/** What conmon is to watch. */
export type Monitored = {
  readonly id: ContainerId;
  readonly name: string;
  /** Absolute, or empty for no log. */
  readonly logPath: string;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly tty: boolean;
  readonly cgroupDriver: CgroupDriver;
};

const createTimeoutMs = 120_000;
/** How long a monitor may go on after the end of its container. */
const endTimeoutMs = 1_000;
const answerTimeoutMs = 10_000;
const SIGKILL = 9;

type Creation = {
  readonly layout: Layout;
  readonly container: Monitored;
  readonly timeoutMs?: number;
};

/**
 * Starts a conmon, which has the OCI runtime create the container in its bundle, holds its stdio,
 * writes its log, and leaves its exit code in the layout's folder of exits. conmon outlives us.
 * Returns the pid of the container's process, which waits to be started.
 */
export async function createMonitored(
  monitor: string,
  runtime: OciRuntime,
  { layout, container, timeoutMs = createTimeoutMs }: Creation,
): Promise<number> {
  const paths = layout.container(container.id);
  using report = openOutputPipe();
  using log = openLog(paths.monitorLog);
  const child = startChild({
    path: monitor,
    args: monitorArgs(runtime, layout, container),
    // It leaves a file named `oom` in its working directory when it learns of such a kill.
    cwd: paths.folder,
    // What is wrong with its arguments it tells on standard output.
    stdio: [null, log.fd, log.fd, report.writeFd],
    // It starts the OCI runtime with its own. In the locale C it refuses names that have more than ASCII.
    env: { ...runtimeEnvironment(paths.folder), LC_ALL: 'C.UTF-8', _OCI_SYNCPIPE: '3' },
  });
  report.closeWriteFd();
  const starter = identifyProcess(child.pid);
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    killWhole(starter);
    killWhole(identifyProcess(Number(readIfThere(paths.monitorPidFile) ?? 0)));
    const sentence = `"${runtime.path} create" gave no answer within ${timeoutMs / 1000} s`;
    late.reject(new Fault('deadline-exceeded', sentence));
  }, timeoutMs);
  try {
    const line = await Promise.race([readLine(report.stream), late.promise]);
    return readReport(line, paths.monitorLog);
  } finally {
    clearTimeout(timer);
  }
}

function openLog(path: string): Disposable & { readonly fd: number } {
  const fd = openSync(path, 'a', 0o600);
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

/**
 * Has the monitor open the container's log file anew, and returns when it has. A log that is still in
 * its place is left as it is, since conmon would put an empty one there.
 */
export async function reopenLog(
  { folder, monitorPidFile }: ReturnType<Layout['container']>,
  logPath: string,
): Promise<void> {
  const pid = Number(readFileSync(monitorPidFile, 'utf8'));
  if (hasOpen(pid, logPath)) return;
  const there = statSync(logPath, { throwIfNoEntry: false });
  if (there !== undefined && (there.size > 0 || !there.isFile())) {
    throw new Fault('already-exists', `"${logPath}" is not the container's, and not empty`);
  }
  // conmon makes it under this name first. When it cannot, it ends, and leaves its container alone.
  const { O_WRONLY, O_CREAT, O_NONBLOCK } = constants;
  closeSync(openSync(`${logPath}.tmp`, O_WRONLY | O_CREAT | O_NONBLOCK, 0o600));
  // Lines of three numbers; 2 is for the log.
  await tell(join(folder, 'ctl'), '2 0 0');
  const deadline = performance.now() + answerTimeoutMs;
  while (!hasOpen(pid, logPath)) {
    if (performance.now() > deadline) {
      throw new Fault('deadline-exceeded', `the monitor has not made "${logPath}" anew`);
    }
    await delay(1);
  }
}

function hasOpen(pid: number, path: string): boolean {
  const file = statSync(path, { throwIfNoEntry: false });
  if (file === undefined) return false;
  return readdirSync(`/proc/${pid}/fd`).some((fd) => {
    const open = statSync(`/proc/${pid}/fd/${fd}`, { throwIfNoEntry: false });
    return open?.ino === file.ino && open.dev === file.dev;
  });
}

/** Has the monitor change the size of the container's terminal. */
export function resizeTerminal(
  folder: string,
  { columns, rows }: { readonly columns: number; readonly rows: number },
): Promise<void> {
  // Not by way of `ctl`, from which conmon copies sizes to this fifo: when it finds two there, one is lost.
  return tell(join(folder, 'winsz'), `${rows} ${columns}`);
}

/**
 * Writes a line to one of conmon's fifos and returns when it has been read. Two callers at a time must
 * not have the same fifo: of two lines that conmon reads at once, it takes the first one twice.
 */
async function tell(fifo: string, line: string): Promise<void> {
  // conmon reads it without end, so that an open without a reader means that conmon is gone.
  const fd = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    writeSync(fd, `${line}\n`);
    const deadline = performance.now() + answerTimeoutMs;
    while (unreadBytes(fd) > 0) {
      if (performance.now() > deadline) {
        throw new Fault('deadline-exceeded', `the monitor does not read "${fifo}"`);
      }
      await delay(1);
    }
  } finally {
    closeSync(fd);
  }
}

function monitorArgs(runtime: OciRuntime, layout: Layout, container: Monitored): string[] {
  const paths = layout.container(container.id);
  const { id, name, logPath, stdin, stdinOnce, tty, cgroupDriver } = container;
  return [
    ['--api-version', '1'],
    ['--cid', id, '--cuuid', id, '--name', name, '--bundle', paths.folder],
    ['--container-pidfile', paths.pidFile, '--conmon-pidfile', paths.monitorPidFile],
    ['--exit-dir', layout.exits, '--full-attach', '--no-sync-log'],
    ['--log-path', logPath === '' ? 'none' : `k8s-file:${logPath}`],
    ['--runtime', runtime.path],
    creationArgs(runtime, cgroupDriver).flatMap((arg) => ['--runtime-arg', arg]),
    tty ? ['--terminal'] : [],
    stdin ? ['--stdin'] : [],
    stdin && !stdinOnce ? ['--leave-stdin-open'] : [],
  ].flat();
}

/** conmon keeps its end open for as long as it lives, so the first line has to be enough. */
async function readLine(pipe: Readable): Promise<string> {
  let text = '';
  for await (const chunk of pipe) {
    text += String(chunk);
    if (text.includes('\n')) break;
  }
  return text;
}

/** conmon says {"data": pid}, or {"data": -1, "message": what the OCI runtime wrote}. */
function readReport(text: string, monitorLog: string): number {
  const report: { data?: unknown; message?: unknown } = text === '' ? {} : JSON.parse(text);
  if (typeof report.data === 'number' && report.data > 0) return report.data;
  const said = typeof report.message === 'string' ? runtimeWords(report.message) : '';
  throw new Fault('internal', said || lastLine(monitorLog) || 'the monitor ended without a word');
}

function lastLine(path: string): string {
  return readFileSync(path, 'utf8').trim().split('\n').at(-1) ?? '';
}

/**
 * Has a container's monitor gone, which ends by itself soon after the container has; but not when it was
 * stopped, or when something that the container started holds its output open. Idempotent.
 */
export async function endMonitor(layout: Layout, id: ContainerId): Promise<void> {
  const { monitorPidFile } = layout.container(id);
  const pid = Number(readIfThere(monitorPidFile) ?? 0);
  const deadline = performance.now() + endTimeoutMs;
  while (isMonitorOf(pid, id)) {
    if (performance.now() > deadline) return killMonitor(monitorPidFile);
    await delay(5);
  }
}

/** Ends a container's monitor at once, and with it the OCI runtime that it waits for. Idempotent. */
export function killMonitorOf(layout: Layout, id: ContainerId): void {
  const { monitorPidFile } = layout.container(id);
  if (isMonitorOf(Number(readIfThere(monitorPidFile) ?? 0), id)) killMonitor(monitorPidFile);
}

/** The pid may be another's by now; nothing else has the container's id on its command line so. */
function isMonitorOf(pid: number, id: ContainerId): boolean {
  if (pid === 0 || identifyProcess(pid) === undefined) return false;
  return (readIfThere(`/proc/${pid}/cmdline`) ?? '').includes(`--cid\0${id}`);
}

/** A monitor, or what was to become one, with the OCI runtime that it waits for. */
function killWhole(process: ProcessId | undefined): void {
  if (process === undefined || !isAlive(process)) return;
  for (const each of [...descendantsOf(process.pid), process]) signalProcess(each, SIGKILL);
}

function killMonitor(pidFile: string): void {
  const monitor = identifyProcess(Number(readIfThere(pidFile) ?? 0));
  if (monitor !== undefined) signalProcess(monitor, SIGKILL);
}
