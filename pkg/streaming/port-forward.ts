import { type Duplex, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe } from '#errors/fault.ts';
import { freeBuffer } from '#linux/free-buffer.ts';
import type { PortForwardRequest, Targets } from './sessions.ts';

export type PortForward = {
  readonly request: PortForwardRequest;
  readonly connect: Targets['connect'];
};

/** What a client uses for one connection: its bytes, and what went wrong with it. */
export type Connection = { readonly error: Duplex; readonly data: Duplex; readonly port: number };

/**
 * Carries one connection to its end. What goes wrong is for the client to know: it never throws.
 * Clients take any error for one of the whole session, so only a port that cannot be reached is one;
 * a connection that is reset, by either side, merely ends.
 */
export async function forward(
  { request, connect }: PortForward,
  { error, data, port }: Connection,
): Promise<void> {
  error.resume();
  try {
    const target = await connect(request.sandboxId, port);
    await carry(data, target).catch(() => data.destroy());
    error.end();
  } catch (cause) {
    error.end(describe(cause));
    data.destroy();
  }
}

/** Until both halves have ended. */
async function carry(data: Duplex, target: Duplex): Promise<void> {
  await Promise.all([pipeline(data, target), pipeline(target, freeingInto(data))]);
}

/** Writes to a stream what has been read for it alone. */
function freeingInto(stream: Writable): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      stream.write(chunk, (error) => {
        freeBuffer(chunk);
        done(error);
      });
    },
    final: (done) => void stream.end(done),
  });
}
