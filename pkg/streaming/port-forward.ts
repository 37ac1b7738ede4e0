import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe } from '#errors/fault.ts';
import type { PortForwardRequest, Targets } from './sessions.ts';

export type PortForward = {
  readonly request: PortForwardRequest;
  readonly connect: Targets['connect'];
};

/** What a client uses for one connection: its bytes, and what went wrong with it. */
export type Connection = { readonly error: Duplex; readonly data: Duplex; readonly port: number };

/** Carries one connection to its end. What goes wrong is for the client to know: it never throws. */
export async function forward(
  { request, connect }: PortForward,
  { error, data, port }: Connection,
): Promise<void> {
  error.resume();
  try {
    const target = await connect(request.sandboxId, port);
    await Promise.all([pipeline(data, target), pipeline(target, data)]);
    error.end();
  } catch (cause) {
    error.end(describe(cause));
    data.destroy();
  }
}
