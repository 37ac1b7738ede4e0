import { Fault } from '#errors/fault.ts';
import { type ProcessId, signalNumber, signalProcess } from '#linux/process.ts';
import type { Engine } from '#runtime/engine.ts';
import type { ContainerId } from '#runtime/id.ts';
import type { Container } from './container.ts';
import { stage } from '#trace/span.ts';
import { explainRunning } from './exit.ts';

const SIGTERM = 15;
const SIGKILL = 9;
/** After SIGKILL only the kernel can hold a process up, so waiting longer does not help. */
const killTimeoutMs = 10_000;

/**
 * Stops a container: its stop signal, `graceMs` to heed it, then SIGKILL. Without grace SIGKILL at once.
 * An unknown container, or one that does not run, is success. Calls for the same container do not
 * wait for one another, so a later call can shorten an earlier one's grace.
 * An abort ends the waiting during the grace; the container is not killed then.
 */
export async function stopContainer(
  engine: Engine,
  idOrPrefix: string,
  options: { readonly graceMs: number; readonly signal?: AbortSignal },
): Promise<void> {
  const container = await whenNotStarting(engine, idOrPrefix);
  if (container?.state.kind !== 'running') return;
  if (options.graceMs > 0) {
    const wait = { timeoutMs: options.graceMs, signal: options.signal };
    signalOnce(engine, container, container.state.process);
    if (await stage('signal', () => engine.exits.wait(engine, container.id, wait))) return;
  }
  await killContainer(engine, container.id);
}

/** Ends a running container's processes, and takes note of the end. */
export async function killContainer(engine: Engine, id: ContainerId): Promise<void> {
  const container = engine.containers.find(id);
  if (container?.state.kind !== 'running') return;
  const { process } = container.state;
  await stage('kill', () => killProcesses(engine, container, process));
}

async function killProcesses(
  engine: Engine,
  container: Container,
  process: ProcessId,
): Promise<void> {
  const { id, cgroupPath } = container;
  if (signalProcess(process, SIGKILL)) engine.exits.noteKill(id);
  // The first process takes a pid namespace of its own down with it; in a shared one it does not.
  await engine.cgroups.kill(cgroupPath);
  if (await engine.exits.wait(engine, id, { timeoutMs: killTimeoutMs })) return;
  throw new Fault(
    'deadline-exceeded',
    `kill container "${id}": still there ${killTimeoutMs / 1000} s after SIGKILL, ${explainRunning(container)}`,
  );
}

/** A start that is under way comes first: what it will have started is to be stopped. */
async function whenNotStarting(engine: Engine, idOrPrefix: string): Promise<Container | undefined> {
  const container = engine.containers.find(idOrPrefix);
  if (container?.state.kind !== 'starting') return container;
  using _held = await engine.locks.hold(container.id);
  return engine.containers.find(container.id);
}

/** A process that handles its stop signal must not be asked twice: some take the second for haste. */
function signalOnce(engine: Engine, { id }: Container, process: ProcessId): void {
  const { stopSignal, stopSignalled } = engine.containers.get(id);
  if (stopSignalled === true) return;
  signalProcess(process, signalNumber(stopSignal) ?? SIGTERM);
  engine.containers.putEnd({ ...engine.containers.get(id), stopSignalled: true }, (error) => {
    engine.log.warn({ containerId: id, error }, 'that a stop signal was sent is not on record');
  });
}
