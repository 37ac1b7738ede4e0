import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { Fault } from '#errors/fault.ts';
import { type LogFile, readBlock } from './log-files.ts';

const blockBytes = 256 * 1024;
const newline = 10;

/** Some lines, without their ends. */
export type Lines = readonly Buffer[];

/**
 * The lines from `offset` to the end as it is now, many at a time; returns where the last one ends. A
 * last line that has no end yet is not among them.
 */
export function* linesFrom(file: LogFile, offset: number): Generator<Lines, number> {
  const cutter = new LineCutter();
  let end = offset;
  for (;;) {
    const block = readBlock(file, end, blockBytes);
    if (block.length === 0) return end - cutter.rest.length;
    end += block.length;
    yield cutter.cut(block);
  }
}

/** All lines of a file that is complete, compressed or not; `rest` is what comes after the last end. */
export async function* allLines(file: LogFile, offset = 0): AsyncGenerator<Lines> {
  if (!file.isCompressed) {
    const end = yield* linesFrom(file, offset);
    const rest = readBlock(file, end, blockBytes);
    if (rest.length > 0) yield [rest];
    return;
  }
  const cutter = new LineCutter();
  const gunzip = createGunzip();
  const stream = createReadStream(file.path).on('error', (error) => gunzip.destroy(error));
  try {
    for await (const block of stream.pipe(gunzip)) yield cutter.cut(block);
  } catch (cause) {
    throw new Fault('failed-precondition', `read log "${file.path}"`, { cause });
  } finally {
    stream.destroy();
  }
  if (cutter.rest.length > 0) yield [cutter.rest];
}

/** Cuts blocks into lines, also into those that begin in one and end in another. */
class LineCutter {
  rest: Buffer = Buffer.alloc(0);

  cut(block: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    let start = 0;
    for (;;) {
      const end = block.indexOf(newline, start);
      if (end < 0) break;
      const line = block.subarray(start, end);
      lines.push(this.rest.length === 0 ? line : Buffer.concat([this.rest, line]));
      this.rest = Buffer.alloc(0);
      start = end + 1;
    }
    this.rest = Buffer.concat([this.rest, block.subarray(start)]);
    return lines;
  }
}

/** Lines from the last to the first, each with where it begins; what has no end yet is left out. */
export function* linesBackwards(
  file: LogFile,
  size: number,
): Generator<{ readonly line: Buffer; readonly offset: number }> {
  let carry: Buffer | undefined;
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - blockBytes);
    const block = readBlock(file, start, end - start);
    let lineEnd = block.length;
    for (;;) {
      const before = lineEnd === 0 ? -1 : block.lastIndexOf(newline, lineEnd - 1);
      if (before < 0) break;
      const line = block.subarray(before + 1, lineEnd);
      if (carry !== undefined) {
        yield { line: Buffer.concat([line, carry]), offset: start + before + 1 };
      }
      carry = Buffer.alloc(0);
      lineEnd = before;
    }
    if (carry !== undefined) carry = Buffer.concat([block.subarray(0, lineEnd), carry]);
    end = start;
  }
  if (carry !== undefined) yield { line: carry, offset: 0 };
}
