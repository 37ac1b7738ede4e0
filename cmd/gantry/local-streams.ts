import type { WebSocket } from 'ws';

export type TerminalSize = { readonly columns: number; readonly rows: number };

/** Whether the other process has a terminal, and whether it gets what is typed here. */
type LocalOptions = { readonly hasTerminal: boolean; readonly stdin: boolean };

/**
 * Our standard streams, for as long as they are connected with those of another process. With a
 * terminal, keys go there as they are typed; ours is as it was when the scope ends.
 */
export class LocalStreams implements Disposable {
  readonly #hasTerminal: boolean;
  readonly #cleanups = new DisposableStack();

  constructor({ hasTerminal, stdin }: LocalOptions) {
    this.#hasTerminal = hasTerminal;
    // Where keys go nowhere else, Ctrl-C is for us.
    if (!hasTerminal || !stdin || !process.stdin.isTTY) return;
    process.stdin.setRawMode(true);
    this.#cleanups.defer(() => process.stdin.setRawMode(false));
  }

  /** Tells the size of our terminal, if there is one, at once and whenever it changes. */
  onResize(listener: (size: TerminalSize) => void): void {
    if (!this.#hasTerminal || !process.stdout.isTTY) return;
    const tell = (): void => {
      const { columns, rows } = process.stdout;
      if (columns > 0 && rows > 0) listener({ columns, rows });
    };
    tell();
    process.stdout.on('resize', tell);
    this.#cleanups.defer(() => process.stdout.off('resize', tell));
  }

  onInput(listener: (bytes: Buffer) => void, ended: () => void): void {
    process.stdin.on('data', listener).on('end', ended);
    this.#cleanups.defer(() => {
      process.stdin.off('data', listener).off('end', ended);
      // Else we would wait for its end.
      process.stdin.destroy();
    });
  }

  pauseInput(): void {
    process.stdin.pause();
  }

  resumeInput(): void {
    process.stdin.resume();
  }

  /** Writes to a stream of ours; while that is full, nothing more is taken from `source`. */
  write(name: 'stdout' | 'stderr', bytes: Buffer, source: WebSocket): void {
    const stream = process[name];
    // What had arrived already comes while it is paused, too.
    if (stream.write(bytes) || source.isPaused) return;
    source.pause();
    stream.once('drain', () => source.resume());
  }

  [Symbol.dispose](): void {
    this.#cleanups.dispose();
  }
}
