/** What a process takes, as the kernel counts it. */
import { readFileSync } from 'node:fs';

/** Resident memory in KiB; `pss` counts pages that several processes share in parts (proc_pid_smaps(5)). */
export function memoryKib(pid: number): { readonly rss: number; readonly pss: number } {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const field = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(rollup)?.[1]);
  return { rss: field('Rss'), pss: field('Pss') };
}

/** Processor time so far, of all threads (proc_pid_stat(5); a tick is 10 ms on Linux). */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the name, which may have blanks in it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
