import { once } from 'node:events';
import { Socket } from 'node:net';
import { isErrno } from '#errors/fault.ts';
import type { IpFamily } from './netns-socket.ts';
import type { SystemThread } from './system-thread.ts';

const addresses = { 4: '127.0.0.1', 6: '::1' } as const satisfies Record<IpFamily, string>;

/** On a loopback only a firewall makes it take time. */
const timeoutMs = 10_000;

/**
 * Connects to a port of the loopback of a network namespace, or of the host's when no path is given:
 * by IPv4 or, where nobody listens there, by IPv6. Either half of the connection may end first.
 */
export async function connectLoopback(
  thread: SystemThread,
  netnsPath: string | undefined,
  port: number,
): Promise<Socket> {
  try {
    return await connect(thread, { netnsPath, port, family: 4 });
  } catch (error) {
    if (!isErrno(error, 'ECONNREFUSED')) throw error;
    // What is said of IPv4 helps more, should neither do.
    return connect(thread, { netnsPath, port, family: 6 }).catch(() => {
      throw error;
    });
  }
}

type Destination = {
  readonly netnsPath: string | undefined;
  readonly port: number;
  readonly family: IpFamily;
};

async function connect(
  thread: SystemThread,
  { netnsPath, port, family }: Destination,
): Promise<Socket> {
  // Reading begins with the connection, not before it, as it would with a descriptor that is given.
  const options = { allowHalfOpen: true, manualStart: true };
  const fd =
    netnsPath === undefined ? {} : { fd: await thread.run('openTcpSocket', { netnsPath, family }) };
  const socket = new Socket({ ...options, ...fd });
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    await once(socket.connect({ port, host: addresses[family], family }), 'connect', { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
