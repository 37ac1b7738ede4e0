import { expect, it } from 'vitest';
import { Tokens } from './tokens.ts';

it('gives what a token stands for once', () => {
  const tokens = new Tokens<string>();
  const token = tokens.issue('exec');
  expect(tokens.take('another')).toBeUndefined();
  expect(tokens.take(token)).toBe('exec');
  expect(tokens.take(token)).toBeUndefined();
});

it('forgets a token after a minute', () => {
  let nowMs = 0;
  const tokens = new Tokens<string>(() => nowMs);
  const [first, second] = [tokens.issue('first'), tokens.issue('second')];
  nowMs = 59_999;
  expect(tokens.take(first)).toBe('first');
  nowMs = 60_000;
  expect(tokens.take(second)).toBeUndefined();
});

it('issues no more than 1000 that are not used, and more when these have expired', () => {
  let nowMs = 0;
  const tokens = new Tokens<number>(() => nowMs);
  const issued = Array.from({ length: 1000 }, (_, number) => tokens.issue(number));
  expect(new Set(issued).size).toBe(1000);
  expect(() => tokens.issue(1000)).toThrow(expect.objectContaining({ code: 'resource-exhausted' }));
  nowMs = 60_000;
  tokens.issue(1001);
});
