import Histogram from 'prom-client/lib/histogram.js';
import type Registry from 'prom-client/lib/registry.js';
import type { Span } from '#trace/span.ts';
import type { MetricsDeps } from './deps.ts';

/** In seconds: from what is answered from memory to pulls of large images. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120];

/** How long RPCs take, and what they are made of: every operation tells it when it has ended. */
export function observeOperations(registry: Registry, { tracer }: MetricsDeps): Disposable {
  const calls = new Histogram({
    name: 'gantry_rpc_duration_seconds',
    help: 'Duration of calls of the CRI, by their outcome: ok, or why not.',
    labelNames: ['method', 'code'],
    buckets,
    registers: [registry],
  });
  const stages = new Histogram({
    name: 'gantry_stage_duration_seconds',
    help: 'Duration of the stages that calls consist of. A stage may be part of another.',
    labelNames: ['method', 'stage'],
    buckets,
    registers: [registry],
  });
  const observeStages = (method: string, span: Span): void => {
    for (const stage of span.stages) {
      stages.observe({ method, stage: stage.name }, secondsOf(stage));
      observeStages(method, stage);
    }
  };
  return tracer.onEnd((operation) => {
    const { name: method, code = 'ok' } = operation;
    calls.observe({ method, code }, secondsOf(operation));
    observeStages(method, operation);
  });
}

function secondsOf({ durationMs = 0 }: Span): number {
  return durationMs / 1000;
}
