import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import type { Span } from '#trace/span.ts';
import { formatMs, waterfall } from './waterfall.ts';

const span = (name: string, [from, to]: readonly [number, number?], more: Partial<Span> = {}) => ({
  name,
  startedAtMs: 1_000_000 + from,
  ...(to === undefined ? {} : { durationMs: to - from }),
  stages: [],
  programs: [],
  ...more,
});

const drawn = (operation: Span) =>
  waterfall({ ...operation, id: 'r1', attributes: { containerId: 'c'.repeat(64) } }, 1_000_100).map(
    (line) => stripVTControlCharacters(line),
  );

it('draws when each stage ran', () => {
  const stages = [
    span('network', [0, 20], { stages: [span('lock', [10, 20])] }),
    span('spec', [20, 20.01]),
    span('monitor', [20, 40], { error: 'no such file' }),
  ];
  const [title, ...lines] = drawn(span('StartContainer', [0, 40], { stages }));
  expect(title).toMatch(/^StartContainer {2}40.0 ms {2}\S+ containerId=cccccccccccc$/);
  const half = '█'.repeat(20);
  const none = ' '.repeat(20);
  expect(lines).toEqual([
    `  network   ${half}${none}   20.0 ms`,
    `    lock    ${' '.repeat(10)}${'█'.repeat(10)}${none}   10.0 ms`,
    `  spec      ${none}█${' '.repeat(19)}   0.01 ms`,
    `  monitor   ${none}${half}   20.0 ms   no such file`,
  ]);
});

it('passes no control characters of an error on', () => {
  const [title] = drawn(span('PullImage', [0, 1], { error: 'no \u001B[2J\nimage' }));
  expect(title).toContain(String.raw`no \x1b[2J\x0aimage`);
});

it('draws up to now what goes on', () => {
  const [title, line] = drawn(span('PullImage', [0], { stages: [span('resolve', [50])] }));
  expect(title).toContain('100.0 ms');
  expect(title).toContain('goes on');
  expect(line).toBe(`  resolve   ${' '.repeat(20)}${'█'.repeat(20)}   50.0 ms`);
});

it.each([
  [0.123, '0.12 ms'],
  [12.34, '12.3 ms'],
  [12_345, '12.35 s'],
])('writes %d ms as %s', (ms, text) => {
  expect(formatMs(ms)).toBe(text);
});
