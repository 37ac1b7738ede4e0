import { Fault, faultCode } from '#errors/fault.ts';
import type { Engine } from '#runtime/engine.ts';
import { killContainer } from '#runtime/container/stop.ts';
import type { Container } from '#runtime/container/container.ts';
import { releaseSandbox } from './release.ts';
import type { Sandbox } from './sandbox.ts';

/**
 * Stops a pod: kills what runs in it, gives its address back. An unknown or a stopped one is success,
 * but what an earlier try left behind is tried again.
 */
export async function stopSandbox(engine: Engine, idOrPrefix: string): Promise<void> {
  const found = engine.sandboxes.find(idOrPrefix);
  if (found === undefined) return;
  using _held = await engine.locks.hold(found.id);
  const sandbox = engine.sandboxes.find(found.id);
  if (sandbox !== undefined) await stopHeld(engine, sandbox);
}

/** For a caller that holds the sandbox's lock. */
export async function stopHeld(engine: Engine, sandbox: Sandbox): Promise<void> {
  // From here on no container can be created or started in it.
  engine.sandboxes.putEnd({ ...sandbox, state: 'stopped' }, (error) => {
    engine.log.error({ sandboxId: sandbox.id, error }, 'the end of a pod is not on record');
  });
  try {
    const containers = containersOf(engine, sandbox);
    await settleAll(containers.map((container) => endContainer(engine, container)));
    await releaseSandbox(engine, sandbox);
  } catch (cause) {
    throw new Fault(faultCode(cause), `stop sandbox "${sandbox.id}"`, { cause });
  }
}

export function containersOf(engine: Engine, { id }: Sandbox): readonly Container[] {
  return engine.containers.all().filter(({ sandboxId }) => sandboxId === id);
}

/** Waits for all, so that nothing goes on unattended, and then throws the first error. */
export async function settleAll(work: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/** A start that is under way is waited for: it has checked that the sandbox was ready. */
async function endContainer(engine: Engine, { id }: Container): Promise<void> {
  using _held = await engine.locks.hold(id);
  await killContainer(engine, id);
}
