import type * as Api from '@opentelemetry/api';
import type { HrTime, SpanContext } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import { describe } from '#errors/fault.ts';
import type { Span } from './span.ts';
import { newSpanId, newTraceId } from './traceparent.ts';
import type { Operation } from './tracer.ts';

export type OtlpOptions = {
  /** Such as `http://127.0.0.1:4318/v1/traces`: OTLP over HTTP. */
  readonly endpoint: string;
  /** Of operations whose caller has no trace, how many are sent: 0 to 1. */
  readonly sampling: number;
  /** Of this program. */
  readonly version: string;
  /** Told when spans cannot be sent. They are dropped then. */
  readonly warn: (message: string) => void;
};

export type OtlpExport = {
  readonly send: (operation: Operation) => void;
  /** Sends what waits, for a few seconds at the most. */
  close(): Promise<void>;
};

const exportTimeoutMs = 5_000;

/** Sends operations with their stages to a collector, in batches. Loads OpenTelemetry: some 25 MiB. */
export async function openOtlpExport(options: OtlpOptions): Promise<OtlpExport> {
  const [api, { resourceFromAttributes }, { BatchSpanProcessor }, { OTLPTraceExporter }] =
    await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/exporter-trace-otlp-http'),
    ]);
  const { endpoint: url, version, warn } = options;
  const resource = resourceFromAttributes({
    'service.name': 'gantryd',
    'service.version': version,
  });
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: exportTimeoutMs });
  const telling: SpanExporter = {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.error) warn(`send ${spans.length} spans to "${url}": ${describe(result.error)}`);
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
  };
  const processor = new BatchSpanProcessor({ exporter: telling });
  return {
    send: (operation) => {
      if (!isSampled(operation, options.sampling)) return;
      for (const span of spansOf(operation, { api, resource })) processor.onEnd(span);
    },
    close: () => processor.shutdown(),
  };
}

/** A caller that records its spans wants ours with them, and one that does not wants none. */
function isSampled({ context }: Operation, sampling: number): boolean {
  return context === undefined ? Math.random() < sampling : context.isSampled;
}

const sampledFlag = 1;

type Environment = { readonly api: typeof Api; readonly resource: Resource };

/** An operation and all of its stages, in the form that an exporter takes. */
function spansOf(operation: Operation, { api, resource }: Environment): ReadableSpan[] {
  const { context, id, attributes, durationMs = 0 } = operation;
  const traceId = context?.traceId ?? newTraceId();
  const vendors = context?.state ? { traceState: api.createTraceState(context.state) } : {};
  const endedAtMs = operation.startedAtMs + durationMs;
  const all: ReadableSpan[] = [];
  const add = (span: Span, parentSpanContext: SpanContext | undefined): void => {
    const spanContext = { traceId, spanId: newSpanId(), traceFlags: sampledFlag, ...vendors };
    // A stage may outlive its operation: the clearing away after a container's end.
    const duration = span.durationMs ?? endedAtMs - span.startedAtMs;
    all.push({
      name: span.name,
      kind: span === operation ? api.SpanKind.SERVER : api.SpanKind.INTERNAL,
      spanContext: () => spanContext,
      ...(parentSpanContext && { parentSpanContext }),
      startTime: hrTime(span.startedAtMs),
      endTime: hrTime(span.startedAtMs + duration),
      duration: hrTime(duration),
      status: statusOf(span, api),
      attributes: span === operation ? { 'gantry.request.id': id, ...named(attributes) } : {},
      ...nothingElse,
      resource,
    });
    for (const stage of span.stages) add(stage, spanContext);
  };
  add(operation, context && remoteParent(context));
  return all;
}

function remoteParent({ traceId, parentSpanId }: NonNullable<Operation['context']>): SpanContext {
  return { traceId, spanId: parentSpanId, traceFlags: sampledFlag, isRemote: true };
}

function statusOf({ error }: Span, { SpanStatusCode }: typeof Api): ReadableSpan['status'] {
  return error === undefined
    ? { code: SpanStatusCode.UNSET }
    : { code: SpanStatusCode.ERROR, message: error };
}

/** By the names of OpenTelemetry's semantic conventions, where it has one. */
const attributeNames: Readonly<Record<string, string>> = {
  containerId: 'container.id',
  image: 'container.image.name',
  sandboxId: 'gantry.sandbox.id',
};

function named(attributes: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(attributes);
  return Object.fromEntries(entries.map(([key, value]) => [attributeNames[key] ?? key, value]));
}

const nothingElse = {
  links: [],
  events: [],
  ended: true,
  instrumentationScope: { name: 'gantry' },
  droppedAttributesCount: 0,
  droppedEventsCount: 0,
  droppedLinksCount: 0,
};

/** Seconds, and nanoseconds beyond them. */
function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}
