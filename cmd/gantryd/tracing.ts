import { onChildStarted } from '#linux/child.ts';
import type { Log } from '#log/log.ts';
import { noteProgram } from '#trace/span.ts';
import { Tracer } from '#trace/tracer.ts';
import type { TracingConfig } from './config-tracing.ts';

export type TracingOptions = {
  readonly config: { readonly tracing: TracingConfig };
  readonly log: Log;
  /** Of this program. */
  readonly version: string;
};

/**
 * A tracer whose operations tell of the programs that they wait for. They are sent to a collector
 * where one is configured.
 */
export async function openTracing(
  { config, log, version }: TracingOptions,
  opened: AsyncDisposableStack,
): Promise<Tracer> {
  const tracer = new Tracer();
  opened.use(onChildStarted(({ path, pid, ended }) => noteProgram({ path, pid }, ended)));
  const { endpoint, sampling } = config.tracing;
  if (endpoint === undefined) return tracer;
  const { openOtlpExport } = await import('#trace/otlp.ts');
  const warn = (message: string): void => log.warn({}, message);
  const exported = await openOtlpExport({ endpoint, sampling, version, warn });
  opened.defer(() => exported.close());
  opened.use(tracer.onEnd(exported.send));
  return tracer;
}
