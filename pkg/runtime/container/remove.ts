import { rm } from 'node:fs/promises';
import { Fault, faultCode } from '#errors/fault.ts';
import type { Engine } from '#runtime/engine.ts';
import { stage } from '#trace/span.ts';
import { endMonitor } from '#runtime/monitor.ts';
import type { Container } from './container.ts';
import { clearProcesses } from './exit.ts';
import { releaseImageVolumes } from './image-volumes.ts';
import { killContainer } from './stop.ts';

/** Removes a container and all that it holds, killing it first. An unknown one is success. */
export async function removeContainer(engine: Engine, idOrPrefix: string): Promise<void> {
  const found = engine.containers.find(idOrPrefix);
  if (found === undefined) return;
  using _held = await engine.locks.hold(found.id);
  const container = engine.containers.find(found.id);
  if (container === undefined) return;
  try {
    await killContainer(engine, container.id);
    await releaseContainer(engine, container);
  } catch (cause) {
    throw new Fault(faultCode(cause), `remove container "${container.id}"`, { cause });
  }
}

/**
 * Gives back all that a container that does not run holds, its record last: as long as anything is
 * left, the record leads to it. The log is kubelet's. Idempotent.
 */
export async function releaseContainer(engine: Engine, container: Container): Promise<void> {
  const { id } = container;
  const paths = engine.layout.container(id);
  const hasRun = container.state.kind !== 'created' && container.state.kind !== 'creating';
  if (hasRun && !(await engine.exits.isCleared(id))) await clearProcesses(engine, container);
  if (hasRun) await stage('monitor', () => endMonitor(engine.layout, id));
  await stage('unmount', () => engine.unmounter.unmountUnder(paths.folder));
  await stage('snapshot', () => engine.images.releaseRootfs(id));
  await stage('image', () => releaseImageVolumes(engine, container));
  await stage('delete', () => rm(paths.folder, { recursive: true, force: true }));
  await rm(paths.exit, { force: true });
  engine.exits.forget(id);
  engine.seccompFilters.forget(id);
  engine.containers.delete(container);
  engine.oomLedger.forget(engine, container);
}
