import { rmSync } from 'node:fs';
import { describe, Fault, faultCode } from '#errors/fault.ts';
import { identifyProcess, isAlive } from '#linux/process.ts';
import { now } from '#runtime/clock.ts';
import { type Engine, handlerOf } from '#runtime/engine.ts';
import type { ContainerId } from '#runtime/id.ts';
import { createMonitored } from '#runtime/monitor.ts';
import { startProcess } from '#runtime/oci-runtime.ts';
import { stage } from '#trace/span.ts';
import type { NamespaceModes } from '#runtime/sandbox/sandbox.ts';
import { limitBlockio } from './blockio.ts';
import type { Container } from './container.ts';
import { clearProcesses } from './exit.ts';

/** Exit code of a container whose process never ran, as containerd gives it. */
const exitCodeStartError = 128;

/** Starts a created container. When that fails the container has ended, with the reason `StartError`. */
export async function startContainer(engine: Engine, idOrPrefix: string): Promise<void> {
  const { id } = engine.containers.get(idOrPrefix);
  using _held = await engine.locks.hold(id);
  const container = engine.containers.get(id);
  checkStartable(engine, container);
  engine.containers.put({ ...container, state: { kind: 'starting' } });
  try {
    await startProcesses(engine, container);
  } catch (cause) {
    await giveUp(engine, container, cause);
    throw new Fault(faultCode(cause), `start container "${id}"`, { cause });
  }
  // It may have ended before it was known to run.
  await engine.exits.check(engine, id);
}

function checkStartable(engine: Engine, { id, sandboxId, state, config }: Container): void {
  if (state.kind !== 'created') {
    throw new Fault('failed-precondition', `start container "${id}": it is ${state.kind}`);
  }
  if (engine.sandboxes.find(sandboxId)?.state !== 'ready') {
    throw new Fault(
      'failed-precondition',
      `start container "${id}": its sandbox "${sandboxId}" is not ready`,
    );
  }
  checkTarget(engine, id, config.security.namespaces);
}

/** The namespace is entered by the pid of its target, which may be another's by now. */
function checkTarget(engine: Engine, id: ContainerId, { pid }: NamespaceModes): void {
  if (typeof pid === 'string') return;
  const target = engine.containers.find(pid.target);
  if (target?.state.kind === 'running' && isAlive(target.state.process)) return;
  throw new Fault(
    'failed-precondition',
    `start container "${id}": the target of its pid namespace, "${pid.target}", does not run any more`,
  );
}

async function startProcesses(engine: Engine, container: Container): Promise<void> {
  const { id, config, logPath } = container;
  const runtime = handlerOf(engine, container.runtimeHandler);
  const { name } = config.metadata;
  const { stdin, stdinOnce, tty } = config;
  const sandbox = engine.sandboxes.get(container.sandboxId);
  const { driver: cgroupDriver } = sandbox.cgroup;
  rmSync(engine.layout.container(id).exit, { force: true });
  engine.exits.forget(id);
  await engine.oomLedger.open(engine, container);
  const monitored = { id, name, logPath, stdin, stdinOnce, tty, cgroupDriver };
  const pid = await stage('monitor', () =>
    createMonitored(engine.monitor, runtime, { layout: engine.layout, container: monitored }),
  );
  engine.seccompFilters.learn(id, runtime);
  const process = identifyProcess(pid);
  if (process === undefined) throw new Fault('internal', 'the process ended before it was started');
  await limitBlockio(engine, sandbox, container);
  const startedAt = now();
  const { hasStartHooks = false } = container;
  const { folder } = engine.layout.container(id);
  await stage('runtime', () => startProcess(runtime, { id, folder }, { hasStartHooks }));
  engine.containers.put({ ...container, state: { kind: 'running', process, startedAt } });
}

/** The message stays with the container: `kubectl describe` shows it. */
async function giveUp(engine: Engine, container: Container, cause: unknown): Promise<void> {
  await clearProcesses(engine, container).catch((error: unknown) => {
    const fields = { containerId: container.id, error };
    engine.log.warn(fields, 'what a failed start left stays until the container is removed');
  });
  const state = {
    kind: 'exited',
    finishedAt: now(),
    exitCode: exitCodeStartError,
    reason: 'StartError',
    message: describe(cause),
  } as const;
  engine.containers.put({ ...container, state });
}
