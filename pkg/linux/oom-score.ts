import { readFileSync, writeFileSync } from 'node:fs';
import { isErrno } from '#errors/fault.ts';
import { boundingSet } from './capabilities.ts';

const lowest = -1000;

/**
 * The lowest oom_score_adj that this process may give another: without CAP_SYS_RESOURCE only its own
 * or above (proc_pid_oom_score_adj(5)).
 */
export function minOomScoreAdj(): number {
  if (boundingSet().has('CAP_SYS_RESOURCE')) return lowest;
  return Number(readFileSync('/proc/self/oom_score_adj', 'utf8'));
}

/**
 * Of a process, and of those that it starts from now on. One that has ended has no need of it, and one that
 * may not have less keeps what it has.
 */
export function setOomScoreAdj(pid: number, value: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(value));
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ESRCH', 'EACCES')) throw error;
  }
}
