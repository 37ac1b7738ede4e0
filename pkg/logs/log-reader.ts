import { allLines, type Lines, linesFrom } from './blocks.ts';
import { Joiner, type LogEntry } from './joiner.ts';
import { listRotated, type LogFile, openLogFile, sizeOf } from './log-files.ts';
import { firstTimeMs, type Start, startOfLast, startSince } from './starts.ts';

export type Range = {
  /** Nothing from before this time, in milliseconds of Unix time. */
  readonly sinceMs?: number | undefined;
  /** Only so many last lines. */
  readonly tail?: number | undefined;
};

/**
 * Reads the log of one container from its files, of which there may be several: kubelet renames the
 * one that is written to, has it made anew, and compresses the older ones. Closes with the scope.
 */
export class LogReader implements Disposable {
  readonly #path: string;
  readonly #joiner = new Joiner();
  /** The file that was written to when it was opened, and how far it has been read. */
  #current: LogFile | undefined;
  #position = 0;
  /** The times of the rotations that are behind us. */
  #passed = new Set<string>();

  constructor(path: string) {
    this.#path = path;
  }

  /** Whether there has been no file at all. */
  get isMissing(): boolean {
    return this.#current === undefined && this.#passed.size === 0;
  }

  [Symbol.dispose](): void {
    this.#current?.[Symbol.dispose]();
  }

  /** What is in the log now, some lines at a time. To be called once, and first. */
  async *history(range: Range): AsyncGenerator<readonly LogEntry[]> {
    using older = new DisposableStack();
    const isRecent = ({ time }: LogEntry) => time.ms >= (range.sinceMs ?? -Infinity);
    for (const start of await startsOf(this.#open(older), range)) {
      const isCurrent = start.file === this.#current;
      const lines = isCurrent ? this.#linesNow(start.offset) : allLines(start.file, start.offset);
      let { skip } = start;
      for await (const entries of this.#join(lines)) {
        const wanted = entries.slice(skip);
        skip -= entries.length - wanted.length;
        yield wanted.filter(isRecent);
      }
    }
  }

  /** What has come since the last call; follows the log through its rotations. */
  async *more(): AsyncGenerator<readonly LogEntry[]> {
    for (;;) {
      this.#current ??= openLogFile(this.#path);
      if (this.#current === undefined) return;
      // Emptied: what is in it now is new.
      if (sizeOf(this.#current) < this.#position) this.#position = 0;
      yield* this.#join(this.#linesNow(this.#position));
      using next = new DisposableStack();
      const successor = openLogFile(this.#path);
      if (successor === undefined) return;
      next.use(successor);
      if (successor.inode === this.#current.inode) return;
      // Nobody writes to the old one any more, but may have before the new one was there.
      yield* this.#join(allLines(this.#current, this.#position));
      yield* this.#missed(this.#current);
      this.#current[Symbol.dispose]();
      next.move();
      this.#current = successor;
      this.#position = 0;
    }
  }

  /** The beginnings of lines that have no end yet. */
  flush(): readonly LogEntry[] {
    return this.#joiner.flush();
  }

  /** All files there are, oldest first. */
  #open(older: DisposableStack): LogFile[] {
    this.#current = openLogFile(this.#path);
    const files: LogFile[] = [];
    for (const { path, rotatedAt } of listRotated(this.#path)) {
      const file = openLogFile(path);
      if (file !== undefined) older.use(file);
      // It has been rotated since we opened it: what came after it, is to be read after it.
      if (file?.inode === this.#current?.inode) break;
      this.#passed.add(rotatedAt);
      if (file !== undefined) files.push(file);
    }
    return this.#current === undefined ? files : [...files, this.#current];
  }

  /** Files that came and went between two looks. */
  async *#missed(last: LogFile): AsyncGenerator<readonly LogEntry[]> {
    const rotated = listRotated(this.#path).filter(({ rotatedAt }) => !this.#passed.has(rotatedAt));
    for (const { rotatedAt } of rotated) this.#passed.add(rotatedAt);
    // The first one is that which we have read; its inode is another one when it has been compressed.
    for (const { path } of rotated.slice(1)) {
      using file = openLogFile(path);
      if (file !== undefined && file.inode !== last.inode) yield* this.#join(allLines(file));
    }
  }

  *#linesNow(offset: number): Generator<Lines> {
    if (this.#current !== undefined) this.#position = yield* linesFrom(this.#current, offset);
  }

  async *#join(
    source: Iterable<Lines> | AsyncIterable<Lines>,
  ): AsyncGenerator<readonly LogEntry[]> {
    for await (const lines of source) {
      const entries = lines.map((line) => this.#joiner.add(line)).filter((it) => it !== undefined);
      if (entries.length > 0) yield entries;
    }
  }
}

/** Where to begin, in those of the files that are wanted. */
async function startsOf(
  files: readonly LogFile[],
  { sinceMs, tail }: Range,
): Promise<readonly Start[]> {
  const starts: Start[] = [];
  let missing = tail ?? 0;
  for (const file of files.toReversed()) {
    if (tail !== undefined) {
      const { start, found } = await startOfLast(file, missing);
      starts.unshift(start);
      missing -= found;
      if (missing <= 0) break;
    } else if (sinceMs === undefined) {
      starts.unshift({ file, offset: 0, skip: 0 });
    } else {
      starts.unshift(startSince(file, sinceMs));
      if (((await firstTimeMs(file)) ?? sinceMs) < sinceMs) break;
    }
  }
  return starts;
}
