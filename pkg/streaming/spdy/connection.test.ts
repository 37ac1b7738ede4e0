import { once } from 'node:events';
import { type Duplex, duplexPair } from 'node:stream';
import { expect, it } from 'vitest';
import { SpdyConnection, type SpdyStream } from './connection.ts';
import { controlFrame, dataFrameHeader, type Frame, readFrames, uint32 } from './frame.ts';
import { HeaderBlocks } from './header-block.ts';

/** The client's end of a connection that is served. */
function openConnection(maxStreams = 4) {
  const [client, socket] = duplexPair();
  const streams: SpdyStream[] = [];
  const onStream = (stream: SpdyStream) => streams.push(stream);
  const connection = new SpdyConnection(socket, { onStream, maxStreams });
  const frames = readFrames(client);
  const next = async (): Promise<Frame> => (await frames.next()).value;
  return {
    client,
    connection,
    served: connection.run(),
    streams,
    next,
    blocks: new HeaderBlocks(),
  };
}

type Client = { readonly client: Duplex; readonly blocks: HeaderBlocks };

function openStream({ client, blocks }: Client, id: number): void {
  const block = blocks.encode(new Map([['streamtype', 'data']]));
  client.write(controlFrame(1, uint32(id, 0), Buffer.alloc(2), block));
}

/** Data of stream 1. */
function sendData({ client }: Client, bytes: Buffer, flags = 0): boolean {
  client.write(dataFrameHeader(1, flags, bytes.length));
  return client.write(bytes);
}

const synReply = expect.objectContaining({ kind: 'control', type: 2 });

it('accepts a stream and carries both halves to their ends', async () => {
  const opened = openConnection();
  openStream(opened, 1);
  expect(await opened.next()).toEqual(synReply);
  const [stream] = opened.streams;
  expect(stream?.headers.get('streamtype')).toBe('data');
  sendData(opened, Buffer.from('question'), 1);
  if (stream === undefined) throw new Error('there is no stream');
  const ended = once(stream.duplex, 'end');
  expect(await once(stream.duplex, 'data')).toEqual([Buffer.from('question')]);
  await ended;
  stream.duplex.end('answer');
  expect(await opened.next()).toMatchObject({ streamId: 1, payload: Buffer.from('answer') });
  expect(await opened.next()).toMatchObject({ streamId: 1, isLast: true });
  opened.client.end();
  await opened.served;
});

it('echoes a PING', async () => {
  const opened = openConnection();
  opened.client.write(controlFrame(6, uint32(5)));
  expect(await opened.next()).toEqual({ kind: 'control', type: 6, flags: 0, payload: uint32(5) });
  opened.client.end();
  await opened.served;
});

it('refuses streams beyond the limit, and a second one with the same id', async () => {
  const opened = openConnection(1);
  openStream(opened, 1);
  openStream(opened, 3);
  openStream(opened, 1);
  expect(await opened.next()).toEqual(synReply);
  expect(await opened.next()).toMatchObject({ type: 3, payload: uint32(3, 3) });
  expect(await opened.next()).toMatchObject({ type: 3, payload: uint32(1, 1) });
  opened.client.end();
  await opened.served;
});

it('takes no more than it has room for from a client that nobody reads', async () => {
  const opened = openConnection();
  openStream(opened, 1);
  await opened.next();
  const chunk = Buffer.alloc(64 * 1024);
  let sentBytes = 0;
  while (sentBytes < 2 ** 24 && sendData(opened, chunk)) {
    sentBytes += chunk.length;
    await new Promise(setImmediate);
  }
  expect(sentBytes).toBeLessThan(2 ** 20);
  opened.streams[0]?.duplex.resume();
  await once(opened.client, 'drain');
  opened.client.end();
  await opened.served;
});

it('ends every stream with the connection', async () => {
  const opened = openConnection();
  openStream(opened, 1);
  await opened.next();
  opened.client.end();
  await opened.served;
  expect(opened.streams[0]?.duplex.destroyed).toBe(true);
});

it('destroys a stream that the client resets with an error, and no other', async () => {
  const opened = openConnection();
  openStream(opened, 1);
  openStream(opened, 3);
  opened.client.write(controlFrame(3, uint32(1, 5)));
  opened.client.write(controlFrame(6, uint32(7)));
  while ((await opened.next()).kind !== 'control');
  await opened.next();
  expect(opened.streams.map(({ duplex }) => duplex.errored?.message)).toEqual([
    'the client has reset the stream',
    undefined,
  ]);
  opened.client.end();
  await opened.served;
  expect(opened.streams[1]?.duplex).toMatchObject({ destroyed: true, errored: null });
});

it.each([
  ['of another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n', 'latin1').fill(0xff, 0, 1)],
  ['whose headers are noise', controlFrame(1, uint32(1, 0), Buffer.alloc(2), Buffer.from('noise'))],
  ['that is too short', controlFrame(3)],
])('ends with a reason on a frame %s', async (_what, frame) => {
  const opened = openConnection();
  opened.client.write(frame);
  await expect(opened.served).rejects.toMatchObject({ code: 'invalid-argument' });
});

it('cuts off a client that asks without end and reads nothing', async () => {
  const opened = openConnection(0);
  const pings = Buffer.concat(Array.from({ length: 10_000 }, () => controlFrame(6, uint32(1))));
  opened.client.on('error', () => {}).write(pings);
  await expect(opened.served).rejects.toThrow('it has not read 1000 answers');
});

it('keeps little for a client that may have many streams, asks, and reads nothing', async () => {
  const opened = openConnection(2_000);
  const pings = Buffer.concat(Array.from({ length: 20_000 }, () => controlFrame(6, uint32(1))));
  opened.client.on('error', () => {}).write(pings);
  await expect(opened.served).rejects.toMatchObject({ code: 'resource-exhausted' });
});

it('answers as many questions as there are, of a client that reads', async () => {
  const opened = openConnection();
  const pings = Buffer.concat(Array.from({ length: 20 }, () => controlFrame(6, uint32(1))));
  for (let round = 0; round < 500; round += 1) {
    opened.client.write(pings);
    for (let n = 0; n < 20; n += 1) expect(await opened.next()).toMatchObject({ type: 6 });
  }
  opened.client.end();
  await opened.served;
});
