/** Whether `promise` settles within `timeoutMs`. A rejection is passed on. */
export async function within(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  const { promise: passed, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, timeoutMs, false);
  try {
    return await Promise.race([promise.then(() => true), passed]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Never resolves. Once `signal` is aborted and `clean` has done its work, rejects with the error that
 * `clean` returns, or with the one that it throws. To be raced against the work itself.
 */
export function rejectWhenAborted(
  signal: AbortSignal,
  clean: () => Promise<Error>,
): Promise<never> & Disposable {
  const { promise, reject } = Promise.withResolvers<never>();
  const aborted = () => void clean().then(reject, reject);
  if (signal.aborted) aborted();
  else signal.addEventListener('abort', aborted, { once: true });
  return Object.assign(promise, {
    [Symbol.dispose]: () => signal.removeEventListener('abort', aborted),
  });
}
