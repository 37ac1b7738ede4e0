import { allLines, linesBackwards } from './blocks.ts';
import { type LogFile, readBlock, sizeOf } from './log-files.ts';
import { parseLogLine } from './log-line.ts';

/** Where to begin in a file: at `offset`, and with what comes after so many whole lines from there. */
export type Start = { readonly file: LogFile; readonly offset: number; readonly skip: number };

/** How far beyond the last line that is wanted its own beginning is looked for. */
const maxBeyondBytes = 1024 * 1024;
/** A stretch in which looking line by line is quick. */
const shortBytes = 64 * 1024;

/**
 * Where the last `count` lines of a file begin, and how many of them there are, which may be fewer.
 * A plain file is read from its end, no further than needed.
 */
export async function startOfLast(
  file: LogFile,
  count: number,
): Promise<{ readonly start: Start; readonly found: number }> {
  if (file.isCompressed) {
    let lines = 0;
    for await (const some of allLines(file)) lines += some.filter(endsLine).length;
    const skip = Math.max(0, lines - count);
    return { start: { file, offset: 0, skip }, found: lines - skip };
  }
  return backwards(file, count);
}

function backwards(file: LogFile, count: number) {
  /** Streams of lines whose beginnings have not been found: they are behind the end of an earlier one. */
  const open = new Set<string>();
  let lines = 0;
  let offset = sizeOf(file);
  let enoughAt = offset;
  for (const each of linesBackwards(file, offset)) {
    const part = parseLogLine(each.line);
    const isEnd = part?.isPartial !== true;
    if (lines < count) {
      if (part !== undefined && isEnd) open.add(part.stream);
      enoughAt = each.offset;
    } else {
      if (part !== undefined && isEnd) open.delete(part.stream);
      if (open.size === 0 || enoughAt - each.offset > maxBeyondBytes) break;
    }
    if (isEnd) lines += 1;
    offset = each.offset;
  }
  const skip = Math.max(0, lines - count);
  return { start: { file, offset, skip }, found: lines - skip };
}

function endsLine(line: Buffer): boolean {
  return parseLogLine(line)?.isPartial !== true;
}

/** Before what was written at `sinceMs`, and near to it, provided that the clock did not jump. */
export function startSince(file: LogFile, sinceMs: number): Start {
  let [before, after] = [0, file.isCompressed ? 0 : sizeOf(file)];
  while (after - before > shortBytes) {
    const middle = Math.floor((before + after) / 2);
    const timeMs = timeBehind(file, middle);
    if (timeMs !== undefined && timeMs < sinceMs) before = middle;
    else after = middle;
  }
  return { file, offset: before === 0 ? 0 : lineStart(file, before), skip: 0 };
}

/** When the first whole line behind an offset was written. */
function timeBehind(file: LogFile, offset: number): number | undefined {
  const block = readBlock(file, offset, shortBytes);
  const start = offset === 0 ? 0 : block.indexOf('\n') + 1;
  return parseLogLine(block.subarray(start))?.time.ms;
}

function lineStart(file: LogFile, offset: number): number {
  return offset + readBlock(file, offset, shortBytes).indexOf('\n') + 1;
}

/** When the first line of a file was written; undefined when it has none that says. */
export async function firstTimeMs(file: LogFile): Promise<number | undefined> {
  if (!file.isCompressed) return timeBehind(file, 0);
  for await (const [line] of allLines(file)) if (line) return parseLogLine(line)?.time.ms;
  return undefined;
}
