import { allLines, type Lines, linesFrom } from './blocks.ts';
import { Joiner, type LogEntry } from './joiner.ts';
import {
  inodeAt,
  listRotated,
  type LogFile,
  openLogFile,
  openRotated,
  type RotatedLog,
  sizeOf,
} from './log-files.ts';
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
      if (inodeAt(this.#path) === this.#current.inode) return;
      const { written: successor, rotated } = this.#look();
      if (successor === undefined) return;
      using next = new DisposableStack();
      next.use(successor);
      // Nobody writes to the old one any more, but may have before the new one was there.
      yield* this.#join(allLines(this.#current, this.#position));
      yield* this.#missed(rotated, this.#current);
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
    const { written, rotated } = this.#look();
    const files: LogFile[] = [];
    for (const each of rotated) {
      const file = openRotated(each);
      // Between its renaming and the making of the next, the last one is the one that is written to.
      const isWritten = written === undefined && each === rotated.at(-1) && !file?.isCompressed;
      if (isWritten) {
        this.#current = file;
      } else {
        this.#passed.add(each.rotatedAt);
        if (file !== undefined) files.push(older.use(file));
      }
    }
    this.#current ??= written;
    return this.#current === undefined ? files : [...files, this.#current];
  }

  /** The file that is written to, and those that were before it: no rotation comes in between. */
  #look(): { readonly written: LogFile | undefined; readonly rotated: readonly RotatedLog[] } {
    for (;;) {
      const written = openLogFile(this.#path);
      const rotated = listRotated(this.#path);
      if (inodeAt(this.#path) === written?.inode) return { written, rotated };
      written?.[Symbol.dispose]();
    }
  }

  /** Files that came and went between two looks. */
  async *#missed(
    rotated: readonly RotatedLog[],
    last: LogFile,
  ): AsyncGenerator<readonly LogEntry[]> {
    const fresh = rotated.filter(({ rotatedAt }) => !this.#passed.has(rotatedAt));
    for (const each of fresh) {
      this.#passed.add(each.rotatedAt);
      using file = openRotated(each);
      // The first one is that which we have read, also when it is another file by now: a compressed one.
      const isRead = file?.inode === last.inode || (each === fresh[0] && file?.isCompressed);
      if (file !== undefined && !isRead) yield* this.#join(allLines(file));
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
