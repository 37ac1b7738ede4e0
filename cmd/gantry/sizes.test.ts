import { expect, it } from 'vitest';
import { formatBytes, formatRate } from './sizes.ts';

it.each([
  [0, '0 B'],
  [1, '1 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [12.3 * 2 ** 20, '12.3 MiB'],
  [5 * 2 ** 50, '5120.0 TiB'],
])('writes %d bytes as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

it('writes whole bytes in a rate', () => {
  expect(formatRate(10.4)).toBe('10 B/s');
});
