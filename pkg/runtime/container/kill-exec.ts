import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '#errors/fault.ts';
import { descendantsOf } from '#linux/process-list.ts';
import {
  explainProcess,
  identifyProcess,
  inspectProcess,
  isAlive,
  type ProcessId,
  type ProcessInfo,
  signalProcess,
} from '#linux/process.ts';
import type { Engine } from '#runtime/engine.ts';
import type { Container } from './container.ts';

const SIGKILL = 9;
const SIGSTOP = 19;
const killTimeoutMs = 5_000;
/** How long the OCI runtime may take to notice the end of what it waits for. */
const reapTimeoutMs = 1_000;
const retryMs = 5;

/** An exec under way: the OCI runtime that waits for it and, once it has begun, its own process. */
export type Exec = { readonly runtimePid: number | undefined; readonly pid: number | undefined };

/**
 * Kills an exec'd command and what it started: the processes of its session, and its descendants
 * that have left the session. They may fork meanwhile, so until none is found any more.
 */
export async function killExec(engine: Engine, container: Container, exec: Exec): Promise<void> {
  const { runtimePid } = exec;
  const runtime = runtimePid === undefined ? undefined : identifyProcess(runtimePid);
  const begun =
    exec.pid !== undefined || runtime === undefined
      ? [exec.pid === undefined ? undefined : inspectProcess(exec.pid)]
      : await halfBegun(runtime.pid);
  for (const root of begun) if (root !== undefined) await killTree(engine, container, root);
  if (runtime === undefined) return;
  if (exec.pid !== undefined) await endByItself(runtime);
  signalProcess(runtime, SIGKILL);
}

/**
 * The command is a child of the OCI runtime, which has to take note of its end: killed before that, it
 * leaves a zombie, which the container sees until the node's first process has come around to it.
 */
async function endByItself(runtime: ProcessId): Promise<void> {
  const deadline = performance.now() + reapTimeoutMs;
  while (isAlive(runtime) && performance.now() < deadline) await delay(retryMs);
}

/**
 * What the OCI runtime has started before it could say so: on its way into the container, or there
 * already. Nothing would lead to it any more, were the runtime killed first.
 */
async function halfBegun(runtimePid: number): Promise<ProcessInfo[]> {
  const runtime = identifyProcess(runtimePid);
  if (runtime === undefined) return [];
  signalProcess(runtime, SIGSTOP);
  const deadline = performance.now() + killTimeoutMs;
  const isStopped = (): boolean => /^[Tt]?$/.test(inspectProcess(runtimePid)?.state ?? '');
  while (!isStopped() && performance.now() < deadline) await delay(1);
  const started = descendantsOf(runtimePid);
  for (const process of started) signalProcess(process, SIGKILL);
  return started;
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
