import { readFileSync } from 'node:fs';
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
