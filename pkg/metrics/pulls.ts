import type Registry from 'prom-client/lib/registry.js';
import Counter from 'prom-client/lib/counter.js';
import type { MetricsDeps } from './deps.ts';

export function observePulls(registry: Registry, { images }: MetricsDeps): void {
  const registers = [registry];
  void new Counter({
    name: 'gantry_image_downloaded_bytes_total',
    help: 'Bytes of layers and documents that came from registries.',
    registers,
    collect() {
      this.reset();
      this.inc(images.pullTotals().downloadedBytes);
    },
  });
  void new Counter({
    name: 'gantry_image_pulls_total',
    help: 'Pulls and imports that ended, by their outcome: ok, or why not.',
    labelNames: ['kind', 'code'],
    registers,
    collect() {
      this.reset();
      for (const { kind, code, count } of images.pullTotals().ended)
        this.inc({ kind, code }, count);
    },
  });
}
