import { isTerminal } from './style.ts';
import { type Cell, formatTable } from './table.ts';

/** One JSON value on standard output: on a line of its own for programs, laid out for people. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, isTerminal() ? 2 : 0)}\n`);
}

/** A table on standard output; the first row is its heading. */
export function printTable(rows: readonly (readonly Cell[])[]): void {
  process.stdout.write(formatTable(rows));
}

/** For what goes on without end: ends the program when nobody reads its output any more, as SIGPIPE does. */
export function endWithReader(): void {
  process.stdout.on('error', () => process.exit(0));
}
