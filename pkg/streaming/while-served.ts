/**
 * Does work for a client while its connection is served. The signal is aborted when the client has
 * gone. Resolves when both have ended, and rejects if either did.
 */
export async function whileServed(
  connection: Promise<void>,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const gone = new AbortController();
  const served = connection.finally(() => gone.abort());
  const results = await Promise.allSettled([served, work(gone.signal)]);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
