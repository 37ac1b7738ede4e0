import { Fault } from '#errors/fault.ts';

/** The types of control frames that matter here: SPDY Protocol draft 3.1, section 2.6. */
export const frameType = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  ping: 6,
  goaway: 7,
  headers: 8,
  windowUpdate: 9,
};

/**
 * What arrives: a control frame as a whole, or a piece of a data frame as it comes, so that a large
 * one takes no memory. `isLast` is the end of the sender's half of the stream.
 */
export type Frame =
  | {
      readonly kind: 'control';
      readonly type: number;
      readonly flags: number;
      readonly payload: Buffer;
    }
  | {
      readonly kind: 'data';
      readonly streamId: number;
      readonly payload: Buffer;
      readonly isLast: boolean;
    };

export const FLAG_FIN = 1;
const headerBytes = 8;
const version = 3;
/** Header blocks of Kubernetes' clients have some 100 bytes. */
const maxControlBytes = 64 * 1024;
/** The length of a frame has 24 bits. */
const maxDataBytes = 2 ** 24 - 1;

/** Splits what a connection sends into frames. A malformed frame ends it with an error. */
export async function* readFrames(source: AsyncIterable<Buffer>): AsyncGenerator<Frame> {
  const parser = new FrameParser();
  for await (const chunk of source) yield* parser.parse(chunk);
}

/** Keeps what has arrived of a header or a control frame, and how much of a data frame is to come. */
class FrameParser {
  #rest: Buffer = Buffer.alloc(0);
  #data: { readonly streamId: number; readonly isFin: boolean; leftBytes: number } | undefined;

  *parse(chunk: Buffer): Generator<Frame> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const frame = this.#data === undefined ? this.#next() : this.#piece(this.#data);
      if (frame === 'incomplete') return;
      if (frame !== 'begun') yield frame;
    }
  }

  #next(): Frame | 'begun' | 'incomplete' {
    if (this.#rest.length < headerBytes) return 'incomplete';
    const first = this.#rest.readUInt32BE(0);
    const flags = this.#rest.readUInt8(4);
    const length = this.#rest.readUIntBE(5, 3);
    if (first >>> 31 === 0) {
      this.#take(headerBytes);
      this.#data = { streamId: first, isFin: (flags & FLAG_FIN) !== 0, leftBytes: length };
      return 'begun';
    }
    checkControl(first, length);
    if (this.#rest.length < headerBytes + length) return 'incomplete';
    const payload = this.#take(headerBytes + length).subarray(headerBytes);
    return { kind: 'control', type: first & 0xffff, flags, payload };
  }

  #piece(data: { readonly streamId: number; readonly isFin: boolean; leftBytes: number }) {
    if (this.#rest.length === 0 && data.leftBytes > 0) return 'incomplete' as const;
    const payload = this.#take(Math.min(data.leftBytes, this.#rest.length));
    data.leftBytes -= payload.length;
    const isWhole = data.leftBytes === 0;
    if (isWhole) this.#data = undefined;
    const { streamId, isFin } = data;
    return { kind: 'data' as const, streamId, payload, isLast: isWhole && isFin };
  }

  #take(bytes: number): Buffer {
    const taken = this.#rest.subarray(0, bytes);
    this.#rest = this.#rest.subarray(bytes);
    return taken;
  }
}

function checkControl(first: number, length: number): void {
  const received = (first >>> 16) & 0x7fff;
  if (received !== version) {
    throw new Fault('invalid-argument', `read a SPDY frame: its version is ${received}`);
  }
  if (length > maxControlBytes) {
    throw new Fault('invalid-argument', `read a SPDY control frame: it has ${length} bytes`);
  }
}

/** A control frame, with flags 0. */
export function controlFrame(type: number, ...payload: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(0x8000 | version, 0);
  header.writeUInt16BE(type, 2);
  header.writeUIntBE(Buffer.concat(payload).length, 5, 3);
  return Buffer.concat([header, ...payload]);
}

/** The header of a data frame; its payload of at most 2^24 - 1 bytes follows. */
export function dataFrameHeader(streamId: number, flags: number, payloadBytes: number): Buffer {
  if (payloadBytes > maxDataBytes) throw new RangeError(`a frame of ${payloadBytes} bytes`);
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32BE(streamId, 0);
  header.writeUInt8(flags, 4);
  header.writeUIntBE(payloadBytes, 5, 3);
  return header;
}

/** Numbers of 32 bits, as control frames carry them. */
export function uint32(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * numbers.length);
  numbers.forEach((number, index) => bytes.writeUInt32BE(number, 4 * index));
  return bytes;
}
