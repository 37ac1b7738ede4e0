import { expect, it } from 'vitest';
import { parseExact, stringifyExact } from './exact-json.ts';

it('writes and reads integers of 64 bits without loss', () => {
  const value = { soft: 1024n, hard: 2n ** 64n - 1n };
  const text = '{"soft":1024,"hard":18446744073709551615}';
  expect(stringifyExact(value)).toBe(text);
  expect(parseExact(text)).toEqual({ soft: 1024, hard: 2n ** 64n - 1n });
  expect(stringifyExact(parseExact<object>(text))).toBe(text);
});

it('leaves everything else as JSON has it', () => {
  const text = '{"a":[1.5,"18446744073709551615",null,true,-7,1e+300],"b":{}}';
  expect(stringifyExact(parseExact<object>(text))).toBe(text);
});
