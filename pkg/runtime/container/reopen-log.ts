import { Fault, faultCode } from '#errors/fault.ts';
import type { Engine } from '#runtime/engine.ts';
import { reopenLog } from '#runtime/monitor.ts';

/** Goes on with a new log file after the old one was renamed. The container must be running. */
export async function reopenContainerLog(engine: Engine, idOrPrefix: string): Promise<void> {
  const { id, state, logPath } = engine.containers.get(idOrPrefix);
  const act = `reopen the log of container "${id}"`;
  if (state.kind !== 'running')
    throw new Fault('failed-precondition', `${act}: it is ${state.kind}`);
  if (logPath === '') return;
  using _held = await engine.locks.hold(`log of ${id}`);
  try {
    await reopenLog(engine.layout.container(id), logPath);
  } catch (cause) {
    throw new Fault(faultCode(cause), act, { cause });
  }
}
