import type { Container } from '#runtime/container/container.ts';
import type { Engine } from '#runtime/engine.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
import { type EventKind, eventKinds } from './event.ts';

/**
 * Publishes an event for each change of a record that anybody is to know of. A sandbox has stopped
 * when its last container has: a stop marks it before it ends what runs in it.
 */
export function watchRecords({ containers, sandboxes, events }: Engine): void {
  const stopping = new Set<string>();
  const containersOf = (id: string): Container[] =>
    containers.all().filter(({ sandboxId }) => sandboxId === id);

  const tellSandbox = (kind: EventKind, sandbox: Sandbox): void =>
    events.publish({ kind, sandbox, containers: containersOf(sandbox.id) });

  const tellStopped = (sandbox: Sandbox): void => {
    if (!stopping.has(sandbox.id) || containersOf(sandbox.id).some(isActive)) return;
    stopping.delete(sandbox.id);
    tellSandbox('stopped', sandbox);
  };

  sandboxes.watch((before, after) => {
    const sandbox = after === undefined ? before : after;
    for (const kind of eventKinds(before?.state, after?.state)) {
      if (kind === 'stopped') stopping.add(sandbox.id);
      else tellSandbox(kind, sandbox);
    }
    if (after === undefined) stopping.delete(sandbox.id);
    else tellStopped(sandbox);
  });

  containers.watch((before, after) => {
    const container = after === undefined ? before : after;
    const sandbox = sandboxes.find(container.sandboxId);
    for (const kind of eventKinds(before?.state.kind, after?.state.kind)) {
      const beside = containersOf(container.sandboxId);
      events.publish({ kind, container, sandbox, containers: beside });
    }
    if (sandbox !== undefined) tellStopped(sandbox);
  });
}

function isActive({ state }: Container): boolean {
  return state.kind === 'running' || state.kind === 'starting';
}
