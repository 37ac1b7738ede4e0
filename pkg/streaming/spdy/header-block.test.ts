import { constants, createDeflate, createInflate, type Deflate, type Inflate } from 'node:zlib';
import { expect, it } from 'vitest';
import { dictionary } from './dictionary.ts';
import { uint32 } from './frame.ts';
import { HeaderBlocks, type Headers } from './header-block.ts';

function plain(headers: Headers): Buffer {
  const parts = [...headers].flatMap((pair) =>
    pair.flatMap((text) => [uint32(text.length), Buffer.from(text)]),
  );
  return Buffer.concat([uint32(headers.size), ...parts]);
}

/** What goes through a compressor of zlib that lives as long as a connection, as clients have it. */
async function through(zlib: Deflate | Inflate, bytes: Buffer): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const collect = (chunk: Buffer) => chunks.push(chunk);
  zlib.on('data', collect);
  zlib.write(bytes);
  await new Promise<void>((done) => zlib.flush(constants.Z_SYNC_FLUSH, done));
  zlib.off('data', collect);
  return Buffer.concat(chunks);
}

const opening = (port: number): Headers =>
  new Map([
    ['streamtype', 'data'],
    ['port', `${port}`],
    ['requestid', `${port * 7919}`],
  ]);

it.each([
  ['as Go does', {}],
  ['with little memory', { windowBits: 10, memLevel: 1, level: 1 }],
])('reads what a client compresses %s, beyond the window', async (_how, options) => {
  const [client, server] = [createDeflate({ dictionary, ...options }), new HeaderBlocks()];
  for (let port = 1; port < 2_000; port += 1) {
    const block = await through(client, plain(opening(port)));
    expect(server.decode(block)).toEqual(opening(port));
  }
});

it('writes what a client can read', async () => {
  const [client, server] = [createInflate({ dictionary }), new HeaderBlocks()];
  for (const headers of [new Map<string, string>(), opening(80), opening(443)]) {
    const block = server.encode(headers);
    expect(await through(client, block)).toEqual(plain(headers));
    // Go's reader waits for this, or for more.
    expect(block.subarray(-5)).toEqual(Buffer.of(0, 0, 0, 0xff, 0xff));
  }
});

it('reads what it writes, and nothing from noise', () => {
  const [server, client] = [new HeaderBlocks(), new HeaderBlocks()];
  for (let port = 1; port < 4; port += 1) {
    expect(server.decode(client.encode(opening(port)))).toEqual(opening(port));
  }
  for (const noise of ['', 'n', 'noise that is longer than a header']) {
    expect(() => server.decode(Buffer.from(noise))).toThrow('SPDY headers');
    expect(() => new HeaderBlocks().decode(Buffer.from(noise))).toThrow('SPDY headers');
  }
});

it('refuses a small block that unpacks to a large one', async () => {
  const headers = new Map([['name', 'x'.repeat(2 ** 15)]]);
  const block = await through(createDeflate({ dictionary }), plain(headers));
  expect(block.length).toBeLessThan(2 ** 8);
  expect(() => new HeaderBlocks().decode(block)).toThrow('unpack SPDY headers');
});
