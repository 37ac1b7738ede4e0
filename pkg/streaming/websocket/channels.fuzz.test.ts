import * as fc from 'fast-check';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, it } from 'vitest';
import { Fault } from '#errors/fault.ts';
import { acceptWebSocket } from './accept.ts';
import { type Channels, type Coding, openChannels } from './channels.ts';

/** What hack/fuzz sets; without it each property is tried a few dozen times. */
const seconds = Number(process.env['GANTRY_FUZZ_SECONDS'] ?? 0);
const runs =
  seconds > 0
    ? { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: seconds * 1000 }
    : { numRuns: 100 };
const timeoutMs = (seconds + 60) * 1000;

const bytes = fc.uint8Array({ maxLength: 130 }).map((array) => Buffer.from(array));

/** A frame with a mask of zeros, mostly well formed; or anything. */
const frame = fc
  .oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        first: fc.constantFrom(0x81, 0x82, 0x88, 0x89, 0x8a, 2, 0, 0x80),
        bytes,
      }),
    },
    { weight: 1, arbitrary: fc.record({ first: fc.nat(255), bytes }) },
  )
  .map(({ first, bytes: payload }) =>
    Buffer.concat([
      Buffer.of(first, 0x80 | Math.min(payload.length, 125), 0, 0, 0, 0),
      payload.subarray(0, 125),
    ]),
  );
const wire = fc.array(fc.oneof({ weight: 5, arbitrary: frame }, { weight: 1, arbitrary: bytes }), {
  maxLength: 12,
});

const handshake = `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\n\r\n`;

it(
  'a connection ends with its client, well or with a Fault, whatever that sends, and all channels with it',
  async () => {
    let opened = Promise.withResolvers<Channels | undefined>();
    let coding: Coding = 'binary';
    const server = createServer().on('upgrade', (request, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      socket.on('error', () => {});
      void acceptWebSocket({ request, socket }, ['']).then((accepted) =>
        opened.resolve(accepted && openChannels(accepted, { count: 5, coding })),
      );
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      await fc.assert(
        fc.asyncProperty(
          wire,
          fc.constantFrom<Coding>('binary', 'base64'),
          async (frames, chosen) => {
            coding = chosen;
            opened = Promise.withResolvers();
            const socket = connect(port, '127.0.0.1')
              .on('error', () => {})
              .resume();
            socket.end(Buffer.concat([Buffer.from(handshake), ...frames]));
            const channels = await opened.promise;
            // It has gone before it could be answered.
            if (channels === undefined) return;
            const { link, duplexes } = channels;
            for (const duplex of duplexes) duplex.pipe(duplex);
            const error: unknown = await link.ended.then(
              () => undefined,
              (why: unknown) => why,
            );
            if (error !== undefined) expect(error).toBeInstanceOf(Fault);
            await expect.poll(() => duplexes.every(({ destroyed }) => destroyed)).toBe(true);
            socket.destroy();
          },
        ),
        runs,
      );
    } finally {
      server.close();
    }
  },
  timeoutMs,
);
