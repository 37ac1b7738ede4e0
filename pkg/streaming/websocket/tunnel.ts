import { Duplex } from 'node:stream';
import { Fault } from '#errors/fault.ts';
import { freeBuffer } from '#linux/free-buffer.ts';
import { type Accepted, openLink } from './link.ts';

/** A byte stream in binary messages, whose limits mean nothing. It ends when the client closes. */
export function openTunnel(accepted: Accepted): Duplex {
  const duplex = new Duplex({
    read: () => link.release(),
    write: (chunk: Buffer, _encoding, done) => link.send(chunk, { isBinary: true, done }),
    writev: (writes, done) => {
      const chunks = writes.map(({ chunk }: { readonly chunk: Buffer }) => chunk);
      const message = Buffer.concat(chunks);
      const sent: typeof done = (error) => {
        freeBuffer(message);
        done(error);
      };
      link.send(message, { isBinary: true, done: sent });
    },
    final: (done) => {
      link.end();
      done();
    },
    destroy: (error, done) => {
      link.cut();
      done(error);
    },
  });
  duplex.on('error', () => {});
  const link = openLink(accepted, (bytes, isBinary) => {
    if (!isBinary) throw new Fault('invalid-argument', 'read from a tunnel: it carries text');
    if (!duplex.push(bytes)) link.hold();
  });
  link.ended.then(
    () => duplex.push(null),
    (error: Error) => duplex.destroy(error),
  );
  return duplex;
}
