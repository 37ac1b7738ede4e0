import { Fault } from '#errors/fault.ts';
import type { NextChunk } from './bytes.ts';
import {
  addressOf,
  inflate,
  inflateEnd,
  inflateInit2,
  inflateReset,
  zlibVersion,
  zstdCreate,
  zstdDecompress,
  zstdErrorName,
  zstdFree,
  zstdIsError,
} from './zlib.ts';

export type Decompression = Disposable & { readonly next: NextChunk };

/**
 * The plain bytes of a stream that is compressed with gzip or zstd, or not at all; told by its first
 * bytes, as media types lie. `output` is the buffer in which the chunks appear; it and the buffers
 * of `next` must lie outside of V8's heap. Dispose of the result to free the native state.
 */
export function decompress(next: NextChunk, output: Uint8Array): Decompression {
  const first = next();
  let pending: Uint8Array | undefined = first;
  const whole: NextChunk = () => {
    const chunk = pending ?? next();
    pending = undefined;
    return chunk;
  };
  const decoder = decoderFor(first);
  if (decoder === undefined) return { next: whole, [Symbol.dispose]: () => {} };
  return {
    next: decoded(decoder, whole, output),
    [Symbol.dispose]: () => decoder[Symbol.dispose](),
  };
}

/** Decodes what can follow each other in one stream: members of gzip, frames of zstd. */
type Decoder = Disposable & {
  readonly format: string;
  setInput(chunk: Uint8Array): void;
  setOutput(buffer: Uint8Array): void;
  inputLeft(): number;
  outputLeft(): number;
  /** Goes on until input or output is used up, or one part ends; returns whether it is inside one. */
  step(): boolean;
  /** Whether what follows between two parts is padding, up to the end. */
  isAtPadding(): boolean;
};

function decoderFor(first: Uint8Array): Decoder | undefined {
  if (first[0] === 0x1f && first[1] === 0x8b) return gzipDecoder();
  return isZstd(first) ? zstdDecoder() : undefined;
}

function decoded(decoder: Decoder, next: NextChunk, output: Uint8Array): NextChunk {
  let isInside = false;
  let isEnd = false;

  function advance(): void {
    if (decoder.inputLeft() === 0) decoder.setInput(next());
    const isStarved = decoder.inputLeft() === 0;
    if (!isInside && (isStarved || decoder.isAtPadding())) {
      isEnd = true;
      return;
    }
    const outputLeft = decoder.outputLeft();
    isInside = decoder.step();
    // Without input it may still have had output to flush.
    if (isInside && isStarved && outputLeft === decoder.outputLeft()) {
      throw corrupt(decoder.format, 'the end is missing');
    }
  }

  return () => {
    decoder.setOutput(output);
    while (!isEnd && decoder.outputLeft() > 0) advance();
    return output.subarray(0, output.length - decoder.outputLeft());
  };
}

function corrupt(format: string, reason: string): Fault {
  return new Fault('failed-precondition', `decompress ${format}: ${reason}`);
}

// zlib.h: return codes, and the layout of z_stream where a long has 64 bits
const Z_OK = 0;
const Z_STREAM_END = 1;
const Z_BUF_ERROR = -5;
const gzipOnly = 15 + 16;
const streamBytes = 112;
const at = { nextIn: 0, availIn: 8, nextOut: 24, availOut: 32 };

function gzipDecoder(): Decoder {
  const stream = Buffer.alloc(streamBytes);
  const started = inflateInit2(stream, gzipOnly, zlibVersion(), streamBytes);
  if (started !== Z_OK) throw new Fault('internal', `start inflate: zlib error ${started}`);
  let input: Uint8Array = new Uint8Array(0);
  const inputLeft = (): number => stream.readUInt32LE(at.availIn);
  return {
    format: 'gzip',
    setInput: (chunk) => {
      input = chunk;
      stream.writeBigUInt64LE(addressOf(chunk), at.nextIn);
      stream.writeUInt32LE(chunk.length, at.availIn);
    },
    setOutput: (buffer) => {
      stream.writeBigUInt64LE(addressOf(buffer), at.nextOut);
      stream.writeUInt32LE(buffer.length, at.availOut);
    },
    inputLeft,
    outputLeft: () => stream.readUInt32LE(at.availOut),
    step: () => {
      const code = inflate(stream, 0);
      if (code === Z_STREAM_END) return inflateReset(stream) !== Z_OK;
      if (code !== Z_OK && code !== Z_BUF_ERROR) throw corrupt('gzip', `zlib error ${code}`);
      return true;
    },
    isAtPadding: () => input[input.length - inputLeft()] === 0,
    [Symbol.dispose]: () => void inflateEnd(stream),
  };
}

/** A frame, or one of the 16 kinds of skippable frames that may come before it (RFC 8878, 3.1). */
function isZstd(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return false;
  const magic = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50;
}

// zstd.h: ZSTD_inBuffer and ZSTD_outBuffer
const field = { address: 0, size: 8, position: 16 };

/** Longer than the 24 bytes it needs: V8 keeps tiny buffers in its heap, where they move. */
function pointerField(): Buffer {
  return Buffer.alloc(4096);
}

function point(pointer: Buffer, to: Uint8Array): void {
  pointer.writeBigUInt64LE(addressOf(to), field.address);
  pointer.writeBigUInt64LE(BigInt(to.length), field.size);
  pointer.writeBigUInt64LE(0n, field.position);
}

function left(pointer: Buffer): number {
  return Number(pointer.readBigUInt64LE(field.size) - pointer.readBigUInt64LE(field.position));
}

function zstdDecoder(): Decoder {
  const context = zstdCreate();
  const input = pointerField();
  const output = pointerField();
  return {
    format: 'zstd',
    setInput: (chunk) => point(input, chunk),
    setOutput: (buffer) => point(output, buffer),
    inputLeft: () => left(input),
    outputLeft: () => left(output),
    step: () => {
      const code = zstdDecompress(context, output, input);
      if (zstdIsError(code)) throw corrupt('zstd', zstdErrorName(code));
      return code !== 0 && code !== 0n;
    },
    isAtPadding: () => false,
    [Symbol.dispose]: () => void zstdFree(context),
  };
}
