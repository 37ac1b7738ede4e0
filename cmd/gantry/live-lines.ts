import type { WriteStream } from 'node:tty';

/** Lines at the bottom of a terminal that are drawn over again and again. */
export class LiveLines {
  readonly #terminal: WriteStream;
  #drawn = 0;

  constructor(terminal: WriteStream) {
    this.#terminal = terminal;
  }

  /** How many lines there is room for. */
  get rows(): number {
    return Math.max(1, this.#terminal.rows - 1);
  }

  draw(lines: readonly string[]): void {
    const up = this.#drawn === 0 ? '' : `\u001B[${this.#drawn}A`;
    const fitting = lines.slice(0, this.rows).map((line) => line.slice(0, this.#columns));
    // Each line without what it had before, and nothing left of those that are gone.
    this.#terminal.write(`${up}${fitting.map((line) => `\u001B[2K${line}\n`).join('')}\u001B[J`);
    this.#drawn = fitting.length;
  }

  /** A terminal that does not know its width says 0. */
  get #columns(): number {
    return this.#terminal.columns > 0 ? this.#terminal.columns : 80;
  }
}
