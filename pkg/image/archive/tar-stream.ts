import { createReadStream } from 'node:fs';
import { Fault } from '#errors/fault.ts';

/** One file of an archive to be written. */
export type TarMember = {
  /** At most 100 bytes of ASCII. */
  readonly name: string;
  readonly content:
    | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
    | { readonly kind: 'file'; readonly path: string; readonly size: number };
};

const blockBytes = 512;
/** What fits into the eleven octal digits of a ustar header. */
const maxOctalSize = 8 ** 11;
const chunkBytes = 64 * 1024;

/** The bytes of a tar archive of these files, the same whenever it is written. */
export async function* tarStream(members: Iterable<TarMember>): AsyncGenerator<Uint8Array, void> {
  for (const { name, content } of members) {
    const size = content.kind === 'bytes' ? content.bytes.length : content.size;
    yield header(name, size);
    if (content.kind === 'bytes') yield content.bytes;
    // Of a stream of nothing, the end would come before its start.
    else if (size > 0) yield* exactly(content.path, size);
    yield Buffer.alloc(-size & (blockBytes - 1));
  }
  yield Buffer.alloc(2 * blockBytes);
}

async function* exactly(path: string, size: number): AsyncGenerator<Uint8Array, void> {
  let left = size;
  const file = createReadStream(path, { highWaterMark: chunkBytes, end: size - 1 });
  for await (const chunk of file as AsyncIterable<Buffer>) {
    left -= chunk.length;
    yield chunk;
  }
  if (left > 0) throw new Fault('internal', `read "${path}": the last ${left} bytes are missing`);
}

/** A ustar header (POSIX.1-1988) of a file that root may write and all may read. */
function header(name: string, size: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, length: number): void => {
    block.write(value.toString(8).padStart(length - 1, '0'), at, 'latin1');
  };
  block.write(name, 0, 100, 'latin1');
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  writeSize(block, size);
  octal(0, 136, 12);
  block.write('        0', 148, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return block;
}

/** Octal digits; for larger files a big-endian number with its first bit set, as GNU tar writes it. */
function writeSize(block: Buffer, size: number): void {
  if (size < maxOctalSize) block.write(size.toString(8).padStart(11, '0'), 124, 'latin1');
  else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(size), 128);
  }
}
