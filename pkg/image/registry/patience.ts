import { setTimeout as delay } from 'node:timers/promises';
import { Fault, type FaultCode } from '#errors/fault.ts';

/** A failure that may be gone in a moment: too many requests, a server in trouble, a broken connection. */
export class PassingFault extends Fault {
  /** How long the server asks to be left alone; undefined when it does not say. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: FaultCode,
    message: string,
    { retryAfterMs, cause }: ErrorOptions & { readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(code, message, cause === undefined ? {} : { cause });
    this.retryAfterMs = retryAfterMs;
  }
}

/** How often, and after which pauses, a registry is asked again. */
export type Patience = {
  /** The least pause before each further try; up to half of it is added, so that nodes do not march in step. */
  readonly pausesMs: readonly number[];
  /** A server that wants to be left alone for longer is not waited for: kubelet tries again later. */
  readonly maxRetryAfterMs: number;
};

export const usualPatience: Patience = { pausesMs: [250, 1000, 4000], maxRetryAfterMs: 30_000 };

/** Tries until it succeeds, fails in a way that will not pass, or patience is at its end. */
export async function patiently<Result>(
  attempt: () => Promise<Result>,
  { pausesMs, maxRetryAfterMs }: Patience,
  signal: AbortSignal,
): Promise<Result> {
  for (const pauseMs of pausesMs) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof PassingFault)) throw error;
      const { retryAfterMs = 0 } = error;
      if (retryAfterMs > maxRetryAfterMs) throw error;
      await delay(Math.max(retryAfterMs, pauseMs * (1 + Math.random() / 2)), undefined, { signal });
    }
  }
  return attempt();
}

/** Reads a Retry-After header: seconds, or a date (RFC 9110, 10.2.3). */
export function parseRetryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(ms, 0);
}
