import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import Gauge from 'prom-client/lib/gauge.js';
import type Registry from 'prom-client/lib/registry.js';
import { isErrno } from '#errors/fault.ts';
import type { MetricsDeps } from './deps.ts';

/** What is there and belongs to nothing that is known: each is a defect, or a removal to be repeated. */
export function observeLeaks(registry: Registry, { engine, images }: MetricsDeps): void {
  const { sandboxes, containers, layout } = engine;
  const isContainer = (id: string): boolean => containers.find(id)?.id === id;
  const kinds: Readonly<Record<string, () => number>> = {
    'sandbox-folder': () =>
      strangers(join(layout.state, 'sandboxes'), (id) => sandboxes.find(id)?.id === id),
    'container-folder': () => strangers(join(layout.state, 'containers'), isContainer),
    'exit-file': () => strangers(layout.exits, isContainer),
    // Also those of images that are mounted as volumes, which belong to a container, too.
    rootfs: () => images.rootfsOwners().filter((id) => !isContainer(id.slice(0, 64))).length,
    'stopped-sandbox': () =>
      sandboxes.all().filter(({ state, id }) => state === 'stopped' && hasNamespace(layout, id))
        .length,
  };
  void new Gauge({
    name: 'gantry_leaked_resources',
    help: 'Things that nothing known owns, or that a stop has left behind.',
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      for (const [kind, count] of Object.entries(kinds)) this.set({ kind }, count());
    },
  });
}

function strangers(folder: string, isKnown: (id: string) => boolean): number {
  return namesIn(folder).filter((id) => !isKnown(id)).length;
}

/** None of a folder that is not there: after a reboot no pod has one. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

type Layout = MetricsDeps['engine']['layout'];

/** A stop ends the namespaces last. */
function hasNamespace(layout: Layout, id: Parameters<Layout['sandbox']>[0]): boolean {
  const { folder } = layout.sandbox(id);
  return namesIn(folder).some((name) => name === 'net' || name === 'ipc' || name === 'pid');
}
