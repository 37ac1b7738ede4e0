import { expect, it } from 'vitest';
import { cutTo, printable } from './style.ts';
import { alignedLines, formatTable } from './table.ts';

it('makes each column as wide as its widest cell', () => {
  expect(
    alignedLines([
      ['A', 'LONG', 'C'],
      ['longer', { text: 'x', style: 'green' }, ''],
    ]),
  ).toEqual(['A        LONG   C', 'longer   x']);
});

it('counts the columns that characters take, which may be two or none', () => {
  const lines = alignedLines([
    ['日本🐶', 'x'],
    ['e\u0301te\u0301', 'x'],
    ['пёс', 'x'],
  ]);
  expect(lines).toEqual(['日本🐶   x', 'e\u0301te\u0301      x', 'пёс      x']);
  expect(cutTo(5, '日本🐶')).toBe('日本');
  expect(cutTo(6, '日本🐶')).toBe('日本🐶');
});

it('puts tabs between columns where no terminal is', () => {
  expect(
    formatTable([
      ['A', 'B'],
      ['1', ''],
    ]),
  ).toBe('A\tB\n1\t\n');
});

it('lets nobody’s text move the cursor or add columns', () => {
  const hostile = 'a\u001B[2Jb\tc\nd\u009Be';
  expect(printable(hostile)).toBe(String.raw`a\x1b[2Jb\x09c\x0ad\x9be`);
  expect(formatTable([[hostile]])).toBe(`${String.raw`a\x1b[2Jb\x09c\x0ad\x9be`}\n`);
});
