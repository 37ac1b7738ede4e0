import { MetricType } from '#api/cri/v1/types.ts';
import { once } from '#server/encoded-list.ts';
import { WireWriter } from '#server/wire-writer.ts';
import type { Metric, Sample } from './metric.ts';

/** The field that the metrics are in both messages, PodSandboxMetrics and ContainerMetrics. */
const metricsField = 2;
const field = { name: 1, type: 3, labels: 4, value: 5 } as const;

/** Values of labels as they stand in a Metric, for all metrics of one subject. */
export function encodeLabels(values: readonly string[]): Buffer {
  const to = new WireWriter();
  for (const value of values) to.text(field.labels, value);
  return to.take();
}

/**
 * Writes the samples of the metrics of one subject. `labels` are those of the subject, encoded. No
 * sample has a timestamp: they are of now, and Prometheus has trouble with older ones.
 */
export function writeMetrics<Subject>(
  to: WireWriter,
  metrics: readonly Metric<Subject>[],
  { subject, labels }: { readonly subject: Subject; readonly labels: Buffer },
): void {
  for (const metric of metrics) {
    const read = metric.read(subject);
    if (read === undefined) continue;
    const shared = { head: headOf(metric), labels };
    if (typeof read === 'number') writeSample(to, { value: read }, shared);
    else for (const sample of read) writeSample(to, sample, shared);
  }
}

/** What the samples of a metric of one subject have in common. */
type Shared = { readonly head: Buffer; readonly labels: Buffer };

function writeSample(to: WireWriter, { labels, value }: Sample, shared: Shared): void {
  const mark = to.begin(metricsField);
  to.raw(shared.head);
  to.raw(shared.labels);
  if (labels !== undefined) for (const label of labels) to.text(field.labels, label);
  const wrapped = to.begin(field.value);
  to.uint(1, value);
  to.end(wrapped);
  to.end(mark);
}

/** The fields that all samples of a metric have in common: its name and its type. */
const headOf = once(({ name, type }: Metric<never>) => {
  const to = new WireWriter();
  to.text(field.name, name);
  to.uint(field.type, type === 'counter' ? MetricType.COUNTER : MetricType.GAUGE);
  return to.take();
});
