import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { array, assert, asyncProperty, nat } from 'fast-check';
import { expect, it } from 'vitest';
import { dictionary } from './dictionary.ts';
import { controlFrame, dataFrameHeader, type Frame, readFrames, uint32 } from './frame.ts';

async function read(chunks: readonly Buffer[]): Promise<Frame[]> {
  return Array.fromAsync(readFrames(Readable.from(chunks, { objectMode: true })));
}

it('has the dictionary of the specification', () => {
  expect(dictionary).toHaveLength(1423);
  expect(createHash('sha256').update(dictionary).digest('hex')).toMatch(/^51d27341373f923f/);
});

it('reads frames however they are cut', async () => {
  const payload = Buffer.from('what a process wrote');
  const wire = Buffer.concat([
    controlFrame(6, uint32(7)),
    dataFrameHeader(3, 0, payload.length),
    payload,
    dataFrameHeader(3, 1, 0),
  ]);
  await assert(
    asyncProperty(array(nat(wire.length)), async (cuts) => {
      const edges = [0, ...cuts.sort((a, b) => a - b), wire.length];
      const chunks = edges.slice(1).map((end, index) => wire.subarray(edges[index], end));
      const [ping, ...pieces] = await read(chunks);
      expect(ping).toEqual({ kind: 'control', type: 6, flags: 0, payload: uint32(7) });
      const pieceBytes = pieces.map((piece) => piece.payload);
      expect(Buffer.concat(pieceBytes)).toEqual(payload);
      expect(pieces.map((piece) => piece.kind === 'data' && piece.isLast).indexOf(true)).toBe(
        pieces.length - 1,
      );
    }),
  );
});

it('refuses another version and a control frame without measure', async () => {
  const other = controlFrame(6, uint32(7));
  other.writeUInt16BE(0x8002);
  await expect(read([other])).rejects.toThrow('version is 2');
  const large = controlFrame(1);
  large.writeUIntBE(2 ** 24 - 1, 5, 3);
  await expect(read([large])).rejects.toThrow('16777215 bytes');
});
