import { stripVTControlCharacters } from 'node:util';
import type { WriteStream } from 'node:tty';
import { cutTo } from './style.ts';

/** Lines at the bottom of a terminal that are drawn over again and again. */
export class LiveLines {
  readonly #terminal: WriteStream;
  #drawn = 0;

  constructor(terminal: WriteStream) {
    this.#terminal = terminal;
  }

  /** How many lines there is room for. */
  get rows(): number {
    // A terminal that does not know its height says 0.
    return this.#terminal.rows > 1 ? this.#terminal.rows - 1 : 23;
  }

  draw(lines: readonly string[]): void {
    const up = this.#drawn === 0 ? '' : `\u001B[${this.#drawn}A`;
    const fitting = lines.slice(0, this.rows).map((line) => cut(line, this.columns));
    // Each line without what it had before, and nothing left of those that are gone.
    this.#terminal.write(`${up}${fitting.map((line) => `\u001B[2K${line}\n`).join('')}\u001B[J`);
    this.#drawn = fitting.length;
  }

  /** A terminal that does not know its width says 0. */
  get columns(): number {
    return this.#terminal.columns > 0 ? this.#terminal.columns : 80;
  }
}

/** A line that does not fit loses its styles with its end. */
function cut(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line);
  const fitting = cutTo(columns, plain);
  return fitting === plain ? line : fitting;
}
