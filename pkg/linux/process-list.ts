import { readdirSync } from 'node:fs';
import { inspectProcess, type ProcessInfo } from './process.ts';
import { readIfThere } from './read-file.ts';

/** Every process of the node that is there while this looks. Takes a moment where there are thousands. */
export function allProcesses(): ProcessInfo[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => inspectProcess(Number(name)))
    .filter((process) => process !== undefined);
}

/** The children of a process, their children, and so on. */
export function descendantsOf(pid: number): ProcessInfo[] {
  const processes = allProcesses();
  const below = (parent: number): ProcessInfo[] =>
    processes
      .filter((process) => process.parent === parent)
      .flatMap((child) => [child, ...below(child.pid)]);
  return below(pid);
}

/** The program's name and its arguments; empty when the process is gone. */
export function commandLine(pid: number): string[] {
  return (readIfThere(`/proc/${pid}/cmdline`) ?? '').split('\0').slice(0, -1);
}
