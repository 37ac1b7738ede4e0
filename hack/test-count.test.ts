import { expect, test } from 'vitest';
import { countIn } from './test-count.ts';

test('tells by name what a script said failed, each once', () => {
  const output = 'failed: a > b\nseen\n\nfailed: a > b\nfailed: c\n3 passed, 2 failed\n';
  expect(countIn('hack/x', output, true)).toEqual({ passed: 3, failed: ['a > b', 'c'] });
});

test('a script that fails without saying for what is one failure', () => {
  const failed = ['hack/x'];
  expect(countIn('hack/x', '3 passed, 0 failed\n', true)).toEqual({ passed: 3, failed });
  expect(countIn('hack/x', '3 passed, 1 failed\n', true)).toEqual({ passed: 3, failed });
});

test('a script that ends before it has counted is one failure', () => {
  expect(countIn('hack/x', 'begun\n', false).failed).toEqual(['hack/x, before its end']);
});
