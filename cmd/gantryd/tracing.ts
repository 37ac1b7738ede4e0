import { onChildStarted } from '#linux/child.ts';
import { noteProgram } from '#trace/span.ts';
import { Tracer } from '#trace/tracer.ts';

/** A tracer whose operations tell of the programs that they wait for. */
export function openTracing(opened: AsyncDisposableStack): Tracer {
  opened.use(onChildStarted(({ path, pid, ended }) => noteProgram({ path, pid }, ended)));
  return new Tracer();
}
