import { Fault, faultCode } from '#errors/fault.ts';
import { removeContainer } from '#runtime/container/remove.ts';
import type { Engine } from '#runtime/engine.ts';
import { forgetSandbox } from './release.ts';
import { containersOf, settleAll, stopHeld } from './stop.ts';

/** Removes a pod with its containers, stopping it first. An unknown one is success. */
export async function removeSandbox(engine: Engine, idOrPrefix: string): Promise<void> {
  const found = engine.sandboxes.find(idOrPrefix);
  if (found === undefined) return;
  using _held = await engine.locks.hold(found.id);
  const sandbox = engine.sandboxes.find(found.id);
  if (sandbox === undefined) return;
  try {
    await stopHeld(engine, sandbox);
    const containers = containersOf(engine, sandbox);
    await settleAll(containers.map(({ id }) => removeContainer(engine, id)));
    await forgetSandbox(engine, sandbox);
  } catch (cause) {
    throw new Fault(faultCode(cause), `remove sandbox "${sandbox.id}"`, { cause });
  }
}
