import Counter from 'prom-client/lib/counter.js';
import Gauge from 'prom-client/lib/gauge.js';
import type Registry from 'prom-client/lib/registry.js';
import type { LifeEvent } from '#runtime/events/event.ts';
import type { MetricsDeps } from './deps.ts';

/** What there is, and what happened to it. */
export function observeObjects(registry: Registry, { engine, images }: MetricsDeps): Disposable {
  const registers = [registry];
  countStates(registry, 'sandboxes', () => engine.sandboxes.all().map(({ state }) => state));
  countStates(registry, 'containers', () => engine.containers.all().map(({ state }) => state.kind));
  void new Gauge({
    name: 'gantry_images',
    help: 'Images on this node.',
    registers,
    collect() {
      this.set(images.list().length);
    },
  });
  const events = new Counter({
    name: 'gantry_events_total',
    help: 'What happened to sandboxes and containers.',
    labelNames: ['object', 'event'],
    registers,
  });
  const exits = new Counter({
    name: 'gantry_container_exits_total',
    help: 'Ends of containers, by their reason.',
    labelNames: ['reason'],
    registers,
  });
  return engine.events.listen((event) => {
    events.inc({ object: event.container ? 'container' : 'sandbox', event: event.kind });
    const reason = exitReason(event);
    if (reason !== undefined) exits.inc({ reason });
  });
}

function countStates(registry: Registry, what: string, states: () => readonly string[]): void {
  void new Gauge({
    name: `gantry_${what}`,
    help: `The ${what} of this node, by their state.`,
    labelNames: ['state'],
    registers: [registry],
    collect() {
      this.reset();
      for (const state of states()) this.inc({ state });
    },
  });
}

function exitReason({ kind, container }: LifeEvent): string | undefined {
  const isEnd = kind === 'stopped' && container?.state.kind === 'exited';
  return isEnd ? container.state.reason : undefined;
}
