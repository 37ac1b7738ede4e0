import { expect, test } from 'vitest';
import { parseRange } from './logs-range.ts';

const nowMs = Date.parse('2026-01-02T12:00:00Z');

const times = {
  '10m': '2026-01-02T11:50:00Z',
  '2h30m': '2026-01-02T09:30:00Z',
  '1.5s': '2026-01-02T11:59:58.500Z',
  '3d': '2025-12-30T12:00:00Z',
  '250ms': '2026-01-02T11:59:59.750Z',
  '2026-01-02T15:04:05.5+02:00': '2026-01-02T13:04:05.500Z',
  '2026-01-01': '2026-01-01T00:00:00Z',
};
for (const [since, time] of Object.entries(times)) {
  test(`--since ${since}`, () => {
    expect(parseRange({ since }, nowMs).sinceMs).toBe(Date.parse(time));
  });
}

for (const since of ['', 'yesterday', '10', '10 m', '-5m', '2026-13-01', '5w']) {
  test(`--since "${since}" is refused`, () => {
    expect(() => parseRange({ since }, nowMs)).toThrow(`--since "${since}" is no time`);
  });
}

test('--tail takes a number of lines, or all', () => {
  expect(parseRange({ tail: '0' }, nowMs).tail).toBe(0);
  expect(parseRange({ tail: '250' }, nowMs).tail).toBe(250);
  expect(parseRange({ tail: 'all' }, nowMs).tail).toBeUndefined();
  expect(parseRange({}, nowMs)).toEqual({ sinceMs: undefined, tail: undefined });
  for (const tail of ['-1', '', 'x', '1.5']) {
    expect(() => parseRange({ tail }, nowMs)).toThrow(`--tail "${tail}" is not a number of lines`);
  }
});
