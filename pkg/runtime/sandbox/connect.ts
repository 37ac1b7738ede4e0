import type { Duplex } from 'node:stream';
import { Fault } from '#errors/fault.ts';
import { connectLoopback } from '#linux/loopback.ts';
import type { Engine } from '#runtime/engine.ts';
import type { Sandbox } from './sandbox.ts';

/** The pod whose ports can be connected to. `failed-precondition` when it has been stopped. */
export function readySandbox(engine: Engine, idOrPrefix: string): Sandbox {
  const sandbox = engine.sandboxes.get(idOrPrefix);
  if (sandbox.state === 'ready') return sandbox;
  throw new Fault('failed-precondition', `connect to sandbox "${sandbox.id}": it is not ready`);
}

/** A connection to a TCP port of a pod's own loopback, or of the node's for a pod on its network. */
export async function connectToPod(
  engine: Engine,
  idOrPrefix: string,
  port: number,
): Promise<Duplex> {
  const { id, config } = readySandbox(engine, idOrPrefix);
  const act = `connect to port ${port} of sandbox "${id}"`;
  if (!Number.isInteger(port) || port < 1 || port > 0xffff) {
    throw new Fault('invalid-argument', `${act}: there is no such port`);
  }
  const isOnNode = config.namespaces.network === 'node';
  const netnsPath = isOnNode ? undefined : engine.layout.sandbox(id).namespace('net');
  try {
    return await connectLoopback(engine.thread, netnsPath, port);
  } catch (cause) {
    throw new Fault('unavailable', act, { cause });
  }
}
