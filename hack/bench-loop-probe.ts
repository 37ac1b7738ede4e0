/**
 * Loaded into gantryd by `hack/bench images`: on SIGUSR2 it writes how late the main thread's event
 * loop has been since the last time, in milliseconds, to the file that BENCH_LOOP_FILE names.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const file = process.env['BENCH_LOOP_FILE'];
if (isMainThread && file !== undefined) {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  process.on('SIGUSR2', () => {
    const told = { p99: lateMs(delays.percentile(99)), max: lateMs(delays.max) };
    writeFileSync(`${file}.new`, JSON.stringify(told));
    renameSync(`${file}.new`, file);
    delays.reset();
  });
}

/** The timer of the probe itself comes after a millisecond. */
function lateMs(nanoseconds: number): number {
  return Math.max(nanoseconds / 1e6 - 1, 0);
}
