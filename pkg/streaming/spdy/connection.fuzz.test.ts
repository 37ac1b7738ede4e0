import * as fc from 'fast-check';
import { duplexPair } from 'node:stream';
import { expect, it } from 'vitest';
import { Fault } from '#errors/fault.ts';
import { SpdyConnection } from './connection.ts';
import { controlFrame, dataFrameHeader, uint32 } from './frame.ts';
import { HeaderBlocks } from './header-block.ts';

/** What hack/fuzz sets; without it each property is tried a few hundred times. */
const seconds = Number(process.env['GANTRY_FUZZ_SECONDS'] ?? 0);
const runs =
  seconds > 0
    ? { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: seconds * 1000 }
    : { numRuns: 300 };
const timeoutMs = (seconds + 60) * 1000;

const id = fc.oneof(fc.nat(9), fc.nat(0x7fff_ffff));
const bytes = fc.uint8Array({ maxLength: 100 }).map((array) => Buffer.from(array));

/** What a client may do, well or badly. */
const act = fc.oneof(
  fc.record({ kind: fc.constant('open' as const), id, flags: fc.nat(3), type: fc.string() }),
  fc.record({ kind: fc.constant('send' as const), id, flags: fc.nat(3), bytes }),
  fc.record({ kind: fc.constant('control' as const), type: fc.nat(12), flags: fc.nat(255), bytes }),
  fc.record({ kind: fc.constant('raw' as const), bytes }),
);
type Act = typeof act extends fc.Arbitrary<infer Value> ? Value : never;

function frameOf(blocks: HeaderBlocks, done: Act): Buffer {
  switch (done.kind) {
    case 'open': {
      const block = blocks.encode(new Map([['streamtype', done.type]]));
      const frame = controlFrame(1, uint32(done.id, 0), Buffer.alloc(2), block);
      frame.writeUInt8(done.flags, 4);
      return frame;
    }
    case 'send':
      return Buffer.concat([dataFrameHeader(done.id, done.flags, done.bytes.length), done.bytes]);
    case 'control': {
      const frame = controlFrame(done.type, done.bytes);
      frame.writeUInt8(done.flags, 4);
      return frame;
    }
    case 'raw':
  }
  return done.bytes;
}

it(
  'a connection ends with its client, well or with a Fault, whatever that sends, and all streams with it',
  async () => {
    const property = fc.asyncProperty(
      fc.array(act, { maxLength: 20 }),
      fc.nat(),
      async (acts, cut) => {
        const [client, socket] = duplexPair();
        const streams: { readonly destroyed: boolean }[] = [];
        const connection = new SpdyConnection(socket, {
          maxStreams: 4,
          onStream: ({ duplex }) => {
            streams.push(duplex);
            // As a command that gives back what it gets.
            duplex.pipe(duplex);
          },
        });
        const served = connection.run().then(
          () => undefined,
          (error: unknown) => error,
        );
        client.on('error', () => {}).resume();
        const blocks = new HeaderBlocks();
        const wire = Buffer.concat(acts.map((each) => frameOf(blocks, each)));
        // In two pieces, for what is cut in a frame.
        client.write(wire.subarray(0, cut % (wire.length + 1)));
        client.end(wire.subarray(cut % (wire.length + 1)));
        const error = await served;
        if (error !== undefined) expect(error).toBeInstanceOf(Fault);
        expect(socket.destroyed).toBe(true);
        for (const stream of streams) expect(stream.destroyed).toBe(true);
      },
    );
    await fc.assert(property, runs);
  },
  timeoutMs,
);

it(
  'a header block is read, or refused with a Fault',
  () => {
    const property = fc.property(fc.array(bytes, { minLength: 1 }), (chunks) => {
      const [reader, writer] = [new HeaderBlocks(), new HeaderBlocks()];
      // One that is well formed, so that the others come to what has been unpacked before.
      reader.decode(writer.encode(new Map([['port', '80']])));
      for (const chunk of chunks) {
        try {
          reader.decode(chunk);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
        }
      }
    });
    fc.assert(property, runs);
  },
  timeoutMs,
);
