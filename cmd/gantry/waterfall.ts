import type { Span } from '#trace/span.ts';
import type { Operation } from '#trace/tracer.ts';
import { printable, type Style, styled } from './style.ts';
import { alignedLines, type Cell } from './table.ts';

const barWidth = 40;

/** A line for the operation and one for each of its stages, with a bar for when it ran. */
export function waterfall(operation: Operation, nowMs: number): string[] {
  const end = endOf(operation, nowMs);
  const scale = barWidth / Math.max(end - operation.startedAtMs, 0.001);
  const rows = flatten(operation.stages, 1).map(({ span, depth }): Cell[] => [
    `${'  '.repeat(depth)}${span.name}`,
    bar(operation, span, { scale, nowMs }),
    { text: formatMs(endOf(span, nowMs) - span.startedAtMs), style: 'dim' },
    ...(span.error === undefined ? [] : [{ text: span.error, style: 'red' as const }]),
  ]);
  return [title(operation, nowMs), ...alignedLines(rows)];
}

/** Milliseconds for people. */
export function formatMs(ms: number): string {
  if (ms < 10) return `${ms.toFixed(2)} ms`;
  if (ms < 1000) return `${ms.toFixed(1)} ms`;
  return `${(ms / 1000).toFixed(2)} s`;
}

/** All stages, with their stages, in the order of their beginnings. */
export function flatten(
  stages: readonly Span[],
  depth: number,
): { readonly span: Span; readonly depth: number }[] {
  return stages.flatMap((span) => [{ span, depth }, ...flatten(span.stages, depth + 1)]);
}

function title(operation: Operation, nowMs: number): string {
  const { name, startedAtMs, durationMs, error, attributes } = operation;
  const duration = formatMs(endOf(operation, nowMs) - startedAtMs);
  const about = Object.entries(attributes).map(([key, value]) => `${key}=${shortId(value)}`);
  const at = new Date(startedAtMs).toISOString().slice(11, 23);
  const words = [
    styled('bold', name),
    styled(durationMs === undefined ? 'yellow' : 'cyan', duration),
    styled('dim', printable([at, ...about].join(' '))),
    ...(durationMs === undefined ? [styled('yellow', 'goes on')] : []),
    ...(error === undefined ? [] : [styled('red', printable(error))]),
  ];
  return words.join('  ');
}

function bar(
  operation: Operation,
  span: Span,
  { scale, nowMs }: { readonly scale: number; readonly nowMs: number },
): Cell {
  const from = Math.round((span.startedAtMs - operation.startedAtMs) * scale);
  const to = Math.round((endOf(span, nowMs) - operation.startedAtMs) * scale);
  const begin = Math.min(Math.max(from, 0), barWidth - 1);
  // What was too short for the scale, and what outlived its operation, is to be seen as well.
  const length = Math.min(Math.max(to - begin, 1), barWidth - begin);
  const text = `${' '.repeat(begin)}${'█'.repeat(length)}`.padEnd(barWidth);
  return { text, style: styleOf(span) };
}

function styleOf({ durationMs, error }: Span): Style {
  if (error !== undefined) return 'red';
  return durationMs === undefined ? 'yellow' : 'green';
}

function endOf({ startedAtMs, durationMs }: Span, nowMs: number): number {
  return durationMs === undefined ? nowMs : startedAtMs + durationMs;
}

function shortId(value: string): string {
  return /^[\da-f]{64}$/.test(value) ? value.slice(0, 12) : value;
}
