import { readSync, writeSync } from 'node:fs';
import { Fault } from '#errors/fault.ts';
import type { DownloadProgress } from '#image/download-progress.ts';

/** Gives the next piece of a stream, valid until the next call; an empty one at the end. */
export type NextChunk = () => Uint8Array;

const minReadBytes = 4096;

/** Reads a file from its start, while it grows, through `buffer`. */
export function growingFile(
  file: { readonly fd: number; readonly progress: DownloadProgress },
  buffer: Uint8Array,
  isCancelled: () => boolean,
): NextChunk {
  let offset = 0;
  return () => {
    const written = file.progress.waitFor(offset + minReadBytes, isCancelled);
    const length = readSync(file.fd, buffer, 0, Math.min(buffer.length, written - offset), offset);
    offset += length;
    return buffer.subarray(0, length);
  };
}

/** The same stream, unless it is longer than that: what is unpacked may be a thousand times what came. */
export function atMost(next: NextChunk, maxBytes: number): NextChunk {
  let bytes = 0;
  return () => {
    const chunk = next();
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    return chunk;
  };
}

export function tooLarge(maxBytes: number): Fault {
  return new Fault(
    'failed-precondition',
    `it has more than ${maxBytes} bytes, the most that is allowed`,
  );
}

/** Cuts a stream into the pieces that a parser asks for, without copying where it can. */
export class ByteReader {
  readonly #next: NextChunk;
  #chunk: Uint8Array = new Uint8Array(0);
  #position = 0;

  constructor(next: NextChunk) {
    this.#next = next;
  }

  /** How many bytes have been taken. */
  get position(): number {
    return this.#position;
  }

  /** Between one and `max` bytes, valid until the next call; none at the end of the stream. */
  take(max: number): Uint8Array {
    if (this.#chunk.length === 0) this.#chunk = this.#next();
    const taken = this.#chunk.subarray(0, max);
    this.#chunk = this.#chunk.subarray(taken.length);
    this.#position += taken.length;
    return taken;
  }

  /** Fills `target`; returns how many bytes there were, fewer only at the end of the stream. */
  fill(target: Uint8Array): number {
    let filled = 0;
    while (filled < target.length) {
      const piece = this.take(target.length - filled);
      if (piece.length === 0) break;
      target.set(piece, filled);
      filled += piece.length;
    }
    return filled;
  }

  /** Hands `consume` exactly `bytes` bytes, piece by piece. */
  pass(bytes: number, consume: (piece: Uint8Array) => void): void {
    for (let left = bytes; left > 0;) {
      const piece = this.take(left);
      if (piece.length === 0)
        throw new Fault('failed-precondition', `${left} bytes are missing at the end`);
      consume(piece);
      left -= piece.length;
    }
  }

  skip(bytes: number): void {
    this.pass(bytes, () => {});
  }
}

export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) written += writeSync(fd, bytes, written);
}
