import { closeSync } from 'node:fs';
import { check, sendto, socket } from './libc.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;

/**
 * Tells the service manager `state`, such as `READY=1` (sd_notify(3)). `address` is its NOTIFY_SOCKET:
 * a path, or a name in the abstract namespace that begins with `@`.
 */
export function notifyServiceManager(address: string, state: string): void {
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  const isAbstract = address.startsWith('@');
  const path = Buffer.from(isAbstract ? `\0${address.slice(1)}` : `${address}\0`);
  const to = Buffer.concat([family, path]);
  const fd = check(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket', 'AF_UNIX');
  try {
    const message = Buffer.from(state);
    check(sendto(fd, message, message.length, MSG_NOSIGNAL, to, to.length), 'sendto', address);
  } finally {
    closeSync(fd);
  }
}
