import { faultCode } from '#errors/fault.ts';

/**
 * Runs jobs at a time. When one fails the others are told to stop, and waited for; then what failed
 * first is thrown.
 */
export async function allOrStop(
  jobs: readonly ((signal: AbortSignal) => Promise<unknown>)[],
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const failures: unknown[] = [];
  await Promise.all(
    jobs.map(async (job) => {
      try {
        await job(either);
      } catch (error) {
        failures.push(error);
        stop.abort();
      }
    }),
  );
  if (failures.length === 0) return;
  // The news that one job has stopped another may have been quicker than the reason.
  throw failures.find((failure) => faultCode(failure) !== 'cancelled') ?? failures[0];
}
