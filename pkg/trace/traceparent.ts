import { randomBytes } from 'node:crypto';

/** Where a caller's trace goes on: https://www.w3.org/TR/trace-context/ */
export type TraceContext = {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits: the caller's span. */
  readonly parentSpanId: string;
  /** Whether the caller records its spans, so that ours belong with them. */
  readonly isSampled: boolean;
  /** What vendors add, to be passed on as it came; empty for nothing. */
  readonly state: string;
};

const form = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;

/** Reads the header `traceparent`; undefined where it is none, which is then to be ignored. */
export function parseTraceparent(header: string, state = ''): TraceContext | undefined {
  const match = form.exec(header.trim());
  if (match === null) return undefined;
  const [, version = '', traceId = '', parentSpanId = '', flags = '', more] = match;
  // Later versions may have more at the end; this one has not, and version ff is none.
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentSpanId)) return undefined;
  return { traceId, parentSpanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1, state };
}

export function newTraceId(): string {
  return randomBytes(16).toString('hex');
}

export function newSpanId(): string {
  return randomBytes(8).toString('hex');
}
