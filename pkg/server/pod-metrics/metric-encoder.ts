import { MetricType } from '#api/cri/v1/types.ts';
import type { Metric, Sample } from './metric.ts';
import { type WireBuffer, wireText, wireVarint } from './wire.ts';

/**
 * The field that the metrics are in both messages, PodSandboxMetrics and ContainerMetrics. A node may
 * have tens of thousands of them, which share most of their bytes: so they are put together from those
 * instead of being encoded one by one.
 */
const metricsField = 2;
const field = { name: 1, type: 3, labels: 4, value: 5 } as const;

/** The fields that all samples of a metric have in common: its name and its type. */
type Head = Buffer;
const heads = new WeakMap<object, Head>();

/** Values of labels, as they stand in a Metric. */
export function encodeLabels(values: readonly string[]): Buffer {
  return Buffer.concat(values.map((value) => wireText(field.labels, value)));
}

/**
 * Appends the samples of the metrics of one subject. `labels` are those of the subject, encoded. No
 * sample has a timestamp: they are of now, and kubelet's readers have trouble with old ones.
 */
export function appendMetrics<Subject>(
  buffer: WireBuffer,
  metrics: readonly Metric<Subject>[],
  { subject, labels }: { readonly subject: Subject; readonly labels: Buffer },
): void {
  for (const metric of metrics) {
    const read = metric.read(subject);
    if (read === undefined) continue;
    const samples: readonly Sample[] = typeof read === 'number' ? [{ value: read }] : read;
    for (const { labels: more, value } of samples) {
      const others = more === undefined ? nothing : encodeLabels(more);
      buffer.message(metricsField, [headOf(metric), labels, others, encodeValue(value)]);
    }
  }
}

const nothing = Buffer.alloc(0);

function headOf(metric: Metric<never>): Head {
  const known = heads.get(metric);
  if (known !== undefined) return known;
  // COUNTER is 0, which is left out.
  const type = metric.type === 'counter' ? nothing : wireVarint(field.type, MetricType.GAUGE);
  const head = Buffer.concat([wireText(field.name, metric.name), type]);
  heads.set(metric, head);
  return head;
}

/** A UInt64Value. */
function encodeValue(value: number): Buffer {
  return wireText(field.value, value === 0 ? '' : wireVarint(1, value));
}
