import type { Range } from '#logs/log-reader.ts';
import { ExitError, type Invocation } from './command.ts';

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** What `--since` and `--tail` say. */
export function parseRange(options: Invocation['options'], nowMs: number): Range {
  const { since, tail } = options;
  return {
    sinceMs: typeof since === 'string' ? parseSince(since, nowMs) : undefined,
    tail: typeof tail === 'string' && tail !== 'all' ? parseTail(tail) : undefined,
  };
}

function parseTail(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new ExitError('usage', `--tail "${text}" is not a number of lines`);
}

/** A duration, which begins so long before `nowMs`, or a time of RFC 3339 or part of one. */
function parseSince(text: string, nowMs: number): number {
  if (/^(?:\d+(?:\.\d+)?(?:ms|[smhd]))+$/.test(text)) {
    const parts = [...text.matchAll(/([\d.]+)(ms|[smhd])/g)];
    return parts.reduce((ms, [, number, unit]) => ms - Number(number) * msOf(unit ?? ''), nowMs);
  }
  const ms = /^\d{4}-/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  const examples = '10m, 2h30m, 3d or 2026-01-02T15:04:05Z';
  throw new ExitError('usage', `--since "${text}" is no time: it may be ${examples}`);
}

function msOf(unit: string): number {
  return new Map<string, number>(Object.entries(unitMs)).get(unit) ?? 0;
}
