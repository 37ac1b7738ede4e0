import { Duplex } from 'node:stream';
import { Fault } from '#errors/fault.ts';
import {
  controlFrame,
  dataFrameHeader,
  FLAG_FIN,
  type Frame,
  frameType,
  readFrames,
  uint32,
} from './frame.ts';
import { HeaderBlocks, type Headers } from './header-block.ts';

/**
 * A stream that the client has opened. Its two halves end one by one; destroying it resets it, and when
 * the client resets it, it is destroyed with an error. It must be read or destroyed: one that is full
 * stops the whole connection, which is all the flow control that Kubernetes' clients know.
 */
export type SpdyStream = {
  readonly id: number;
  readonly headers: Headers;
  readonly duplex: Duplex;
};

export type SpdyOptions = {
  /** Called once the client has been told that the stream is accepted. */
  readonly onStream: (stream: SpdyStream) => void;
  /** How many streams may be open at once; more are refused. */
  readonly maxStreams: number;
};

const statusCode = { protocolError: 1, refusedStream: 3, cancel: 5 };
/** How long a client may take to close its side after the end. */
const lingerMs = 5_000;
/** How many answers may wait to be read by a client, besides those about the streams it may have. */
const maxOtherAnswers = 1_000;
/** To the opening of a stream, to its end, and to what the client says of it meanwhile. */
const answersPerStream = 4;
/** How often a client whose stream is full is looked after. */
const probeMs = 1_000;

type Open = SpdyStream & { hasRemoteEnded: boolean; drained: (() => void) | undefined };

/** The server's side of a SPDY/3.1 connection, over a socket on which the upgrade has been agreed. */
export class SpdyConnection {
  readonly #socket: Duplex;
  readonly #options: SpdyOptions;
  readonly #streams = new Map<number, Open>();
  readonly #blocks = new HeaderBlocks();
  #unsentAnswers = 0;
  #isClosing = false;

  constructor(socket: Duplex, options: SpdyOptions) {
    this.#socket = socket;
    this.#options = options;
    // A broken connection is told by the end of run(), and by every stream.
    socket.on('error', () => {}).once('close', () => this.#destroyStreams());
  }

  /** Serves until the client has gone. Rejects when it does not keep to the protocol. */
  async run(): Promise<void> {
    try {
      for await (const frame of readFrames(this.#socket)) await this.#receive(frame);
    } catch (error) {
      if (error instanceof Fault) throw error;
      // The connection was cut: for a client, an end as good as any.
    } finally {
      this.#socket.destroy();
      this.#destroyStreams();
    }
  }

  /**
   * Says that all is said. What the client still sends is read and dropped, since closing over it
   * would take from the client what is on its way to it.
   */
  close(): void {
    if (this.#isClosing || this.#socket.destroyed) return;
    this.#isClosing = true;
    for (const { duplex } of this.#streams.values()) duplex.resume();
    this.#socket.end(controlFrame(frameType.goaway, uint32(0, 0)));
    const timer = setTimeout(() => this.#socket.destroy(), lingerMs);
    this.#socket.once('close', () => clearTimeout(timer));
  }

  async #receive(frame: Frame): Promise<void> {
    if (frame.kind === 'data') return this.#receiveData(frame);
    switch (frame.type) {
      case frameType.synStream:
        return this.#accept(frame);
      case frameType.synReply:
      case frameType.headers:
        // Nobody needs them, but those after them are compressed with them.
        return void this.#blocks.decode(frame.payload.subarray(4));
      case frameType.rstStream:
        return void this.#streams.get(number(frame.payload, 0))?.duplex.destroy(wasReset());
      case frameType.ping:
        return this.#send(controlFrame(frameType.ping, frame.payload.subarray(0, 4)));
      default:
      // SETTINGS and WINDOW_UPDATE have no meaning to these clients, and GOAWAY precedes the end.
    }
  }

  #accept(frame: Frame & { readonly kind: 'control' }): void {
    const id = number(frame.payload, 0);
    const headers = this.#blocks.decode(frame.payload.subarray(10));
    const isValid = id % 2 === 1 && !this.#streams.has(id);
    if (!isValid) return this.#reset(id, statusCode.protocolError);
    if (this.#isClosing || this.#streams.size >= this.#options.maxStreams) {
      return this.#reset(id, statusCode.refusedStream);
    }
    const none = this.#blocks.encode(new Map());
    this.#send(controlFrame(frameType.synReply, uint32(id), none));
    const stream = this.#open(id, headers);
    if ((frame.flags & FLAG_FIN) !== 0) endRemote(stream);
    this.#options.onStream(stream);
  }

  #open(id: number, headers: Headers): Open {
    const duplex = new Duplex({
      read: () => release(stream),
      write: (chunk: Buffer, _encoding, done) => this.#sendData(id, chunk, done),
      final: (done) => this.#sendEnd(id, done),
      destroy: (error, done) => {
        this.#streams.delete(id);
        release(stream);
        if (!stream.hasRemoteEnded || !duplex.writableFinished) this.#reset(id, statusCode.cancel);
        done(error);
      },
    });
    const stream: Open = { id, headers, duplex, hasRemoteEnded: false, drained: undefined };
    duplex.on('error', () => {});
    this.#streams.set(id, stream);
    return stream;
  }

  /** Resolves when there is room for more. */
  async #receiveData({ streamId, payload, isLast }: Frame & { readonly kind: 'data' }) {
    const stream = this.#streams.get(streamId);
    if (stream === undefined || stream.hasRemoteEnded) return;
    const hasRoom = payload.length === 0 || stream.duplex.push(payload);
    if (isLast) return endRemote(stream);
    if (hasRoom || this.#isClosing) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    stream.drained = resolve;
    const probe = setInterval(() => this.#probe(streamId), probeMs);
    await promise;
    clearInterval(probe);
  }

  /**
   * The end of a connection that is not read shows only in writing to it. Clients pass over this
   * frame; the answer to a PING they might have to write while nobody reads.
   */
  #probe(streamId: number): void {
    this.#send(controlFrame(frameType.windowUpdate, uint32(streamId, 1)));
  }

  #sendData(id: number, chunk: Buffer, done: (error?: Error | null) => void): void {
    if (!this.#socket.writable) return done(new Error('the connection is closed'));
    this.#socket.cork();
    this.#socket.write(dataFrameHeader(id, 0, chunk.length));
    this.#socket.write(chunk, done);
    this.#socket.uncork();
  }

  #sendEnd(id: number, done: (error?: Error | null) => void): void {
    if (!this.#socket.writable) return done();
    this.#socket.write(dataFrameHeader(id, FLAG_FIN, 0), done);
  }

  #reset(id: number, status: number): void {
    this.#send(controlFrame(frameType.rstStream, uint32(id, status)));
  }

  /** A client that asks without reading the answers is cut off: each takes some hundred bytes here. */
  #send(frame: Buffer): void {
    if (!this.#socket.writable) return;
    const maxUnsent = answersPerStream * this.#options.maxStreams + maxOtherAnswers;
    if (this.#unsentAnswers >= maxUnsent) {
      const act = `answer a client: it has not read ${maxUnsent} answers`;
      return void this.#socket.destroy(new Fault('resource-exhausted', act));
    }
    this.#unsentAnswers += 1;
    this.#socket.write(frame, () => (this.#unsentAnswers -= 1));
  }

  #destroyStreams(): void {
    for (const { duplex } of this.#streams.values()) duplex.destroy();
  }
}

function endRemote(stream: Open): void {
  stream.hasRemoteEnded = true;
  stream.duplex.push(null);
}

function release(stream: Open): void {
  stream.drained?.();
  stream.drained = undefined;
}

function wasReset(): Fault {
  return new Fault('cancelled', 'the client has reset the stream');
}

/** A stream's id: 31 bits. */
function number(payload: Buffer, offset: number): number {
  if (payload.length < offset + 4) {
    throw new Fault('invalid-argument', 'read a SPDY frame: it is too short');
  }
  return payload.readUInt32BE(offset) & 0x7fff_ffff;
}
