import { Fault } from '#errors/fault.ts';
import { familyOf, unspecified } from '#linux/netlink/ip.ts';
import type { Listener } from '#linux/netlink/listener.ts';
import type { SystemThread } from '#linux/system-thread.ts';
import { type HostPort, nameOf, shareAddress } from './host-port.ts';

/**
 * Refuses ports of the host that a program of the host waits on: the pod would take them away from it,
 * without a word. An `already-exists` Fault with its name. As everywhere, a program that waits on one
 * address stands in the way of a port on all of them.
 */
export async function refuseHeldPorts(
  thread: SystemThread,
  ports: readonly HostPort[],
): Promise<void> {
  for (const port of ports) {
    const { protocol, hostPort } = port;
    const listeners = await thread.run('listListeners', { protocol, port: hostPort });
    const holder = listeners.find((listener) => isMet(listener, port.hostIp));
    if (holder === undefined) continue;
    const name = await nameOfHolder(thread, holder);
    const { address } = holder;
    const place = nameOf({ ...port, hostIp: address });
    throw new Fault('already-exists', `map host port ${nameOf(port)}: ${name} listens on ${place}`);
  }
}

function isMet({ address, isDual }: Listener, hostIp: string): boolean {
  if (isDual && address === unspecified(6)) return true;
  return shareAddress(address, hostIp === '' ? unspecified(familyOf(address)) : hostIp);
}

async function nameOfHolder(thread: SystemThread, { inode }: Listener): Promise<string> {
  const owner = await thread.run('ownerOfSocket', inode);
  return owner === undefined ? 'a program' : `"${owner.name}" (process ${owner.pid})`;
}
