import { Duplex } from 'node:stream';
import { Fault } from '#errors/fault.ts';
import { freeBuffer } from '#linux/free-buffer.ts';
import { type Accepted, type Link, openLink } from './link.ts';

/** How channels are told apart: by a first byte or, where all is text in base64, by a first digit. */
export type Coding = 'binary' | 'base64';

/** The coding of a protocol, by its name. */
export function codingOf(protocol: string): Coding {
  return protocol.includes('base64.') ? 'base64' : 'binary';
}

/** Since v5 this, followed by the number of a channel, says that the sender's half of it has ended. */
const closeSignal = 255;

export type ChannelOptions = { readonly count: number; readonly coding: Coding };

export type Channels = {
  readonly link: Link;
  /** By their numbers. */
  readonly duplexes: readonly Duplex[];
};

/**
 * Channels that share a connection, and are destroyed with it. Each must be read or destroyed: one
 * that is full stops the whole connection. Their writing ends cannot be ended one by one, for which
 * the protocol has no words.
 */
export function openChannels(accepted: Accepted, { count, coding }: ChannelOptions): Channels {
  const full = new Set<number>();
  /** Where nothing is to come any more. */
  const closed = new Set<number>();
  const hasRoom = (number: number): void => {
    if (full.delete(number) && full.size === 0) link.release();
  };
  const endHalf = (number: number): void => {
    closed.add(number);
    duplexes[number]?.push(null);
  };
  const duplexes: readonly Duplex[] = Array.from({ length: count }, (_, number) =>
    new Duplex({
      read: () => hasRoom(number),
      write: (chunk: Buffer, _encoding, done) => {
        const message = encode(number, chunk, coding);
        const sent: typeof done = (error) => {
          freeBuffer(message);
          done(error);
        };
        link.send(message, { isBinary: coding === 'binary', done: sent });
      },
      // The client cannot be told of the end of this half, so that it is the end of both.
      final: (done) => {
        endHalf(number);
        done();
      },
      destroy: (error, done) => {
        closed.add(number);
        hasRoom(number);
        done(error);
      },
    }).on('error', () => {}),
  );
  const link = openLink(accepted, (message, isBinary) => {
    if (message.length === 0) return;
    if (isBinary && message[0] === closeSignal) {
      return endHalf(closing(message, count));
    }
    const { number, bytes } = decode(message, coding);
    const duplex = duplexes[number];
    // As with other servers, what goes to a channel that nobody has is dropped.
    if (duplex === undefined || bytes.length === 0 || closed.has(number) || duplex.push(bytes))
      return;
    full.add(number);
    link.hold();
  });
  accepted.webSocket.once('close', () => {
    for (const duplex of duplexes) duplex.destroy();
  });
  return { link, duplexes };
}

/** Which channel a message closes. */
function closing(message: Buffer, count: number): number {
  const [, number = count] = message;
  if (message.length === 2 && number < count) return number;
  throw new Fault('invalid-argument', 'close a WebSocket channel: there is no such channel');
}

const zero = 0x30;

function encode(number: number, bytes: Buffer, coding: Coding): Buffer {
  if (coding === 'base64') return Buffer.from(`${number}${bytes.toString('base64')}`, 'latin1');
  const message = Buffer.allocUnsafe(bytes.length + 1);
  message[0] = number;
  bytes.copy(message, 1);
  return message;
}

function decode(message: Buffer, coding: Coding) {
  const [first = 0] = message;
  if (coding === 'binary') return { number: first, bytes: message.subarray(1) };
  const text = message.toString('latin1', 1);
  const bytes = Buffer.from(text, 'base64');
  // What is not in the alphabet is passed over in decoding, and missing then.
  if (bytes.length !== Math.floor((text.replace(/=+$/, '').length * 3) / 4)) {
    throw new Fault('invalid-argument', 'read a WebSocket message: it is not in base64');
  }
  return { number: first - zero, bytes };
}
