import { columnsOf, isTerminal, printable, type Style, styled } from './style.ts';

/** Text of one column, in a style of its own where there are styles. */
export type Cell = string | { readonly text: string; readonly style: Style };

/**
 * Lines of columns, of which the first is the heading, if there is one. On a terminal each column is
 * as wide as its widest cell; elsewhere there is a tab between two.
 */
export function formatTable(
  rows: readonly (readonly Cell[])[],
  { hasHeading = true }: { readonly hasHeading?: boolean } = {},
): string {
  if (!isTerminal()) return rows.map(tabbedLine).join('');
  const [heading = [], ...others] = rows;
  const bold = heading.map((cell): Cell => ({ text: textOf(cell), style: 'bold' }));
  const lines = alignedLines(hasHeading ? [bold, ...others] : rows);
  return lines.map((line) => `${line}\n`).join('');
}

/** Rows without a heading, as lines without their ends. */
export function alignedLines(rows: readonly (readonly Cell[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [n, cell] of row.entries()) {
      widths[n] = Math.max(widths[n] ?? 0, columnsOf(textOf(cell)));
    }
  }
  return rows.map((row) =>
    row
      .map((cell, n) => {
        const isLast = n === row.length - 1;
        const text = isLast ? textOf(cell) : padded(textOf(cell), widths[n] ?? 0);
        return typeof cell === 'string' ? text : styled(cell.style, text);
      })
      .join('   ')
      .trimEnd(),
  );
}

function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - columnsOf(text)));
}

function tabbedLine(row: readonly Cell[]): string {
  return `${row.map(textOf).join('\t')}\n`;
}

function textOf(cell: Cell): string {
  return printable(typeof cell === 'string' ? cell : cell.text);
}
