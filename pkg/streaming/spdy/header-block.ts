import { inflateRawSync, constants } from 'node:zlib';
import { Fault } from '#errors/fault.ts';
import { dictionary } from './dictionary.ts';
import { uint32 } from './frame.ts';

/** Names are in lower case; the values of a name that comes several times are joined by NUL. */
export type Headers = ReadonlyMap<string, string>;

/**
 * The size of a block once it is unpacked. Those of Kubernetes' clients have some 100 bytes, and as many
 * as there are streams are in memory.
 */
const maxBlockBytes = 16 * 1024;
/** How far back a block may refer: RFC 1951, section 2. */
const windowBytes = 32 * 1024;
/** Of a part that is not compressed: RFC 1951, section 3.2.4. */
const maxStoredBytes = 0xffff;
/** RFC 1950, section 2.2: deflate with a window of 32 KiB, and a dictionary, which is named. */
const zlibHeader = Buffer.concat([Buffer.of(0x78, 0x20), uint32(adler32(dictionary))]);

/** An empty part, at which readers give out what they have unpacked. */
const flush = Buffer.of(0, 0, 0, 0xff, 0xff);

/**
 * The compressed header blocks of one connection: SPDY Protocol draft 3, section 2.6.10. Every block
 * has to pass, in order: each builds on those before it.
 *
 * Senders end each block at a byte, so that it can be unpacked by itself, given what came before it.
 * That takes less than a decompressor that lives on, and no other thread.
 */
export class HeaderBlocks {
  #window: Buffer | undefined;
  #hasEncoded = false;

  /** `invalid-argument` when it is not a block. */
  decode(block: Buffer): Headers {
    return parse(this.#unpack(block));
  }

  /** Not compressed: a server has next to nothing to say in headers. */
  encode(headers: Headers): Buffer {
    const parts = [...headers].flatMap((pair) => pair.map(counted));
    const bytes = Buffer.concat([uint32(headers.size), ...parts]);
    if (bytes.length > maxStoredBytes) throw new RangeError(`headers of ${bytes.length} bytes`);
    const stored = Buffer.alloc(5);
    stored.writeUInt16LE(bytes.length, 1);
    stored.writeUInt16LE(~bytes.length & maxStoredBytes, 3);
    const first = this.#hasEncoded ? [] : [zlibHeader];
    this.#hasEncoded = true;
    return Buffer.concat([...first, stored, bytes, flush]);
  }

  #unpack(block: Buffer): Buffer {
    try {
      const unpacked = inflateRawSync(this.#window === undefined ? withoutHeader(block) : block, {
        dictionary: this.#window ?? dictionary,
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: maxBlockBytes,
      });
      this.#window = Buffer.concat([this.#window ?? dictionary, unpacked]).subarray(-windowBytes);
      return unpacked;
    } catch (cause) {
      throw new Fault('invalid-argument', 'unpack SPDY headers', { cause });
    }
  }
}

/** The first block begins as a stream of zlib does, with any window and at any level. */
function withoutHeader(block: Buffer): Buffer {
  const { length } = zlibHeader;
  const [method = 0, flags = 0] = block;
  const hasDictionary =
    (flags & 0x20) !== 0 && block.subarray(2, length).equals(zlibHeader.subarray(2));
  if ((method & 0xf) === 8 && hasDictionary) return block.subarray(length);
  throw new RangeError('it does not begin with the dictionary of SPDY/3');
}

/** RFC 1950, section 8.2. */
function adler32(bytes: Buffer): number {
  let [low, high] = [1, 0];
  for (const byte of bytes) {
    low = (low + byte) % 65_521;
    high = (high + low) % 65_521;
  }
  return high * 65_536 + low;
}

function counted(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function parse(block: Buffer): Headers {
  const headers = new Map<string, string>();
  let offset = 4;
  const next = (): string => {
    const start = offset + 4;
    offset = start + block.readUInt32BE(offset);
    if (offset > block.length) throw new RangeError(`a header ends beyond ${block.length} bytes`);
    return block.toString('utf8', start, offset);
  };
  try {
    for (let left = block.readUInt32BE(0); left > 0; left -= 1) headers.set(next(), next());
  } catch (cause) {
    throw new Fault('invalid-argument', 'read SPDY headers', { cause });
  }
  return headers;
}
