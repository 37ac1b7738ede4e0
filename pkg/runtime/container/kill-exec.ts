import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '#errors/fault.ts';
import {
  explainProcess,
  inspectProcess,
  type ProcessInfo,
  signalProcess,
  identifyProcess,
} from '#linux/process.ts';
import type { Engine } from '#runtime/engine.ts';
import type { Container } from './container.ts';

const SIGKILL = 9;
const killTimeoutMs = 5_000;
const retryMs = 5;

/** An exec under way: the OCI runtime that waits for it and, once it has begun, its own process. */
type Exec = { readonly runtimePid: number | undefined; readonly pid: number | undefined };

/**
 * Kills an exec'd command and what it started: the processes of its session, and its descendants
 * that have left the session. They may fork meanwhile, so until none is found any more.
 */
export async function killExec(engine: Engine, container: Container, exec: Exec): Promise<void> {
  const root = exec.pid === undefined ? undefined : inspectProcess(exec.pid);
  if (root !== undefined) await killTree(engine, container, root);
  const runtime = exec.runtimePid === undefined ? undefined : identifyProcess(exec.runtimePid);
  if (runtime !== undefined) signalProcess(runtime, SIGKILL);
}

async function killTree(engine: Engine, container: Container, root: ProcessInfo): Promise<void> {
  const deadline = performance.now() + killTimeoutMs;
  for (;;) {
    const victims = await execProcesses(engine, container, root);
    for (const victim of victims) signalProcess(victim, SIGKILL);
    const [stuck] = victims;
    if (stuck === undefined) return;
    if (performance.now() > deadline) {
      const act = `kill an exec in container "${container.id}"`;
      throw new Fault('deadline-exceeded', `${act}: ${explainProcess(stuck.pid)}`);
    }
    await delay(retryMs);
  }
}

async function execProcesses(
  engine: Engine,
  container: Container,
  root: ProcessInfo,
): Promise<ProcessInfo[]> {
  const pids = await engine.cgroups.processes(container.cgroupPath);
  const processes = new Map(pids.map((pid) => [pid, inspectProcess(pid)]));
  const belongs = (process: ProcessInfo | undefined): boolean =>
    process !== undefined &&
    (process.pid === root.pid ||
      process.session === root.session ||
      belongs(processes.get(process.parent)));
  return [...processes.values()].filter((process) => process !== undefined).filter(belongs);
}
