/** Wakes one waiter. What rings while nobody waits is not lost. */
export type Bell = Disposable & {
  readonly ring: () => void;
  /** Wakes the waiter with an error. */
  readonly fail: (error: Error) => void;
  /** Waits until it rings, or has rung since the last call. Throws the signal's reason. */
  readonly rung: () => Promise<void>;
};

export function openBell(signal: AbortSignal | undefined): Bell {
  let next = Promise.withResolvers<void>();
  let failure: Error | undefined;
  const ring = () => next.resolve();
  signal?.addEventListener('abort', ring);
  return {
    ring,
    fail: (error) => {
      failure = error;
      ring();
    },
    rung: async () => {
      await next.promise;
      next = Promise.withResolvers();
      if (failure !== undefined) throw failure;
      signal?.throwIfAborted();
    },
    [Symbol.dispose]: () => signal?.removeEventListener('abort', ring),
  };
}
