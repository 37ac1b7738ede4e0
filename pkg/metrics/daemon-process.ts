import { readdirSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import Counter from 'prom-client/lib/counter.js';
import Gauge from 'prom-client/lib/gauge.js';
import Histogram from 'prom-client/lib/histogram.js';
import type Registry from 'prom-client/lib/registry.js';
import type { MetricsDeps } from './deps.ts';

const lookEveryMs = 1000;
const delayBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5];

/** Of the daemon itself; the names that begin with `process_` are those that all programs have. */
export function observeDaemon(registry: Registry, { version }: MetricsDeps): Disposable {
  const registers = [registry];
  const build = new Gauge({
    name: 'gantry_build_info',
    help: 'The versions of the daemon and of its Node; the value is 1.',
    labelNames: ['version', 'node_version'],
    registers,
  });
  build.set({ version, node_version: process.versions.node }, 1);
  addCounter(registry, {
    name: 'process_cpu_seconds_total',
    help: 'Processor time used by the daemon, in seconds.',
    read: () => seconds(process.cpuUsage().user + process.cpuUsage().system),
  });
  addCounter(registry, {
    name: 'gantry_event_loop_active_seconds_total',
    help: 'Time in which the event loop of the main thread was at work, in seconds.',
    read: () => performance.eventLoopUtilization().active / 1000,
  });
  addGauge(registry, {
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of the daemon in bytes.',
    read: () => process.memoryUsage.rss(),
  });
  addGauge(registry, {
    name: 'process_start_time_seconds',
    help: 'When the daemon was started, in seconds since the Unix epoch.',
    read: () => performance.timeOrigin / 1000,
  });
  addGauge(registry, {
    name: 'process_open_fds',
    help: 'Open file descriptors of the daemon.',
    read: () => readdirSync('/proc/self/fd').length,
  });
  addGauge(registry, {
    name: 'process_max_fds',
    help: 'How many file descriptors the daemon may have open.',
    read: () =>
      Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]),
  });
  return watchEventLoop(registry);
}

/** One look a second costs nothing, and finds whatever blocks the loop often or long. */
function watchEventLoop(registry: Registry): Disposable {
  const delay = new Histogram({
    name: 'gantry_event_loop_delay_seconds',
    help: 'How late a timer was, looked at once a second.',
    buckets: delayBuckets,
    registers: [registry],
  });
  let dueMs = performance.now() + lookEveryMs;
  const timer = setInterval(() => {
    const now = performance.now();
    delay.observe(Math.max(now - dueMs, 0) / 1000);
    dueMs = now + lookEveryMs;
  }, lookEveryMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

type Simple = { readonly name: string; readonly help: string; readonly read: () => number };

function addGauge(registry: Registry, { read, ...names }: Simple): void {
  void new Gauge({
    ...names,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}

function addCounter(registry: Registry, { read, ...names }: Simple): void {
  void new Counter({
    ...names,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}

function seconds(microseconds: number): number {
  return microseconds / 1e6;
}
