import { expect, it } from 'vitest';
import { freeBuffer } from './free-buffer.ts';

it('gives back what a chunk has for itself, and nothing that it shares', () => {
  const own = Buffer.alloc(64 * 1024);
  freeBuffer(own);
  expect(own.length).toBe(0);
  const shared = Buffer.alloc(64 * 1024, 'x');
  freeBuffer(shared.subarray(1));
  expect(shared.toString()).toBe('x'.repeat(64 * 1024));
});

it('keeps the memory in use constant, without the collector', () => {
  const before = process.memoryUsage().arrayBuffers;
  for (let count = 0; count < 256; count += 1) freeBuffer(Buffer.alloc(1024 * 1024));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
});
