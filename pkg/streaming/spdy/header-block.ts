import { constants, createDeflate, createInflate, type Deflate, type Inflate } from 'node:zlib';
import { Fault } from '#errors/fault.ts';
import { dictionary } from './dictionary.ts';
import { uint32 } from './frame.ts';

/** Names are in lower case; the values of a name that comes several times are joined by NUL. */
export type Headers = ReadonlyMap<string, string>;

/** The size of a block once it is unpacked. */
const maxBlockBytes = 1024 * 1024;

/** What a server says in headers is next to nothing; the usual settings take 256 KiB a connection. */
const smallDeflate = { windowBits: 11, memLevel: 1 };

/**
 * The compressed header blocks of one connection: SPDY Protocol draft 3, section 2.6.10. Every block
 * has to pass, in order: each builds on those before it. One at a time in each direction.
 */
export class HeaderBlocks {
  readonly #inflate: Inflate = createInflate({ dictionary });
  readonly #deflate: Deflate = createDeflate({ dictionary, ...smallDeflate });

  async decode(block: Buffer): Promise<Headers> {
    return parse(await this.#unpack(block));
  }

  async encode(headers: Headers): Promise<Buffer> {
    const parts = [...headers].flatMap((pair) => pair.map(counted));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    using chunks = collect(this.#deflate, reject);
    this.#deflate.write(Buffer.concat([uint32(headers.size), ...parts]));
    // Readers want each block to end at a byte, with all of it.
    this.#deflate.flush(constants.Z_SYNC_FLUSH, resolve);
    await promise;
    return Buffer.concat(chunks.list);
  }

  close(): void {
    this.#inflate.close();
    this.#deflate.close();
  }

  async #unpack(block: Buffer): Promise<Buffer> {
    const { promise, resolve } = Promise.withResolvers<void>();
    using chunks = collect(this.#inflate, () => resolve());
    this.#inflate.write(block, () => resolve());
    await promise;
    const { errored: cause } = this.#inflate;
    if (cause) throw new Fault('invalid-argument', 'unpack SPDY headers', { cause });
    return Buffer.concat(chunks.list);
  }
}

type Collected = Disposable & { readonly list: readonly Buffer[] };

/** What comes out of a compressor until the scope ends. */
function collect(source: Inflate | Deflate, fail: (cause: Error) => void): Collected {
  const list: Buffer[] = [];
  let sizeBytes = 0;
  const add = (chunk: Buffer): void => {
    sizeBytes += chunk.length;
    if (sizeBytes <= maxBlockBytes) list.push(chunk);
    else source.destroy(new Error(`a block has more than ${maxBlockBytes} bytes`));
  };
  source.on('data', add).on('error', fail);
  return {
    list,
    [Symbol.dispose]: () => {
      source.off('data', add);
      // What fails between two blocks is told by the next one.
      source.off('error', fail).on('error', () => {});
    },
  };
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
