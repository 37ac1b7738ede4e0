import { closeSync, openSync } from 'node:fs';
import { type HomeNamespaces, insideNetns } from '#linux/namespace-home.ts';
import { setUp } from './link-request.ts';
import { NetlinkSocket } from './socket.ts';

/** Sets the loopback interface of a network namespace up; a new one has it down. */
export function setLoopbackUp(home: HomeNamespaces, netnsPath: string): void {
  const netnsFd = openSync(netnsPath, 'r');
  try {
    using inside = insideNetns(home, netnsFd, () => new NetlinkSocket());
    inside.request(setUp('lo'));
  } finally {
    closeSync(netnsFd);
  }
}
