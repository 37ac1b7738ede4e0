/**
 * Aborted by Ctrl-C, by SIGTERM, and when nobody reads standard output any more, so that a program
 * that has things to take down gets to do so.
 */
export function untilInterrupted(): AbortSignal {
  const interruption = new AbortController();
  const interrupt = () => interruption.abort(new Error('interrupted'));
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  process.stdout.on('error', interrupt);
  return interruption.signal;
}
