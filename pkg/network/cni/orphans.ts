import { constants } from 'node:os';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { identifyProcess, isAlive, type ProcessId, signalProcess } from '#linux/process.ts';

/** How long the killed ones are waited for. */
const patienceMs = 2_000;

/**
 * Ends the plugins, and what they have started, that still work on the ADD of one of these pods. They
 * outlive a daemon that is killed, and would go on making what the next daemon takes away.
 */
export async function endOrphans(ids: ReadonlySet<string>): Promise<void> {
  if (ids.size === 0) return;
  const orphans: ProcessId[] = [];
  for (const name of await readdir('/proc')) {
    const orphan = /^\d+$/.test(name) ? await orphanWith(Number(name), ids) : undefined;
    if (orphan !== undefined && signalProcess(orphan, constants.signals.SIGKILL)) {
      orphans.push(orphan);
    }
  }
  const deadline = performance.now() + patienceMs;
  while (orphans.some(isAlive) && performance.now() < deadline) await delay(10);
}

/** Its environment tells (proc_pid_environ(5)); children have it from their parents. */
async function orphanWith(pid: number, ids: ReadonlySet<string>): Promise<ProcessId | undefined> {
  const orphan = identifyProcess(pid);
  // Of processes that have gone, and of those of the kernel, it cannot be read.
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
  const variables = environment.split('\0');
  const id = variables.find((variable) => variable.startsWith('CNI_CONTAINERID='))?.slice(16);
  const isOurs = id !== undefined && ids.has(id) && variables.includes('CNI_COMMAND=ADD');
  return isOurs ? orphan : undefined;
}
