import { expect, it } from 'vitest';
import { ago, formatDuration } from './times.ts';

it.each([
  [0, '0s'],
  [59_999, '59s'],
  [60_000, '1m'],
  [190_000, '3m10s'],
  [7_500_000, '2h5m'],
  [4 * 86_400_000 + 3 * 3_600_000, '4d3h'],
])('writes %d ms as %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

it('knows no negative age, as after a step of the clock', () => {
  expect(ago('2026-01-01T00:00:10.000Z', Date.parse('2026-01-01T00:00:00Z'))).toBe('0s');
});
