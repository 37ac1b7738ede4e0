import Gauge from 'prom-client/lib/gauge.js';
import type Registry from 'prom-client/lib/registry.js';
import { readIfThere } from '#linux/read-file.ts';
import type { Container } from '#runtime/container/container.ts';
import type { MetricsDeps } from './deps.ts';

/** Linux has no other on the machines that we run on. */
const pageBytes = 4096;

/** Of the monitors, one for each container that runs. */
export function observeMonitors(registry: Registry, { engine }: MetricsDeps): void {
  const pids = new WeakMap<Container, number>();
  const pidOf = (container: Container): number => {
    const known = pids.get(container);
    if (known !== undefined) return known;
    const pid = Number(readIfThere(engine.layout.container(container.id).monitorPidFile) ?? 0);
    if (pid > 0) pids.set(container, pid);
    return pid;
  };
  void new Gauge({
    name: 'gantry_monitors',
    help: 'Monitors of containers that run.',
    registers: [registry],
    collect() {
      const running = engine.containers.all().filter(({ state }) => state.kind === 'running');
      const sizes = running.flatMap((container) => privateBytes(pidOf(container)) ?? []);
      this.set(sizes.length);
      memory.set(sizes.reduce((sum, bytes) => sum + bytes, 0));
    },
  });
  // Collected after the other, which sets it.
  const memory = new Gauge({
    name: 'gantry_monitors_memory_bytes',
    help: 'Memory that the monitors have for themselves, without what they share.',
    registers: [registry],
  });
}

/** proc_pid_statm(5): resident pages, without those of files and shared memory. */
function privateBytes(pid: number): number | undefined {
  const [, resident, shared] = (readIfThere(`/proc/${pid}/statm`) ?? '').split(' ').map(Number);
  return resident === undefined || shared === undefined
    ? undefined
    : (resident - shared) * pageBytes;
}
