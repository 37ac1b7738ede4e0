import { closeSync, constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { SyscallError } from '#errors/fault.ts';
import {
  check,
  close,
  connect,
  ioctl,
  lastError,
  pipe2,
  read,
  recv,
  send,
  socket,
  write,
} from './libc.ts';

const O_CLOEXEC = 0o2000000;
const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const MSG_NOSIGNAL = 0x4000;
const FIONREAD = 0x541b;

/** A pipe between a stream of the main thread and a thread that polls. Neither end ever blocks. */
export type ThreadPipe = {
  readonly stream: Socket;
  /** The other end, which is its user's to close. */
  readonly fd: number;
};

/** `in`: what is written to the stream can be read from the descriptor. `out`: the other way. */
export function openThreadPipe(direction: 'in' | 'out'): ThreadPipe {
  const fds = new Int32Array(2);
  check(pipe2(fds, O_CLOEXEC | constants.O_NONBLOCK), 'pipe2', '');
  const [readFd = -1, writeFd = -1] = fds;
  const isIn = direction === 'in';
  const stream = new Socket({ fd: isIn ? writeFd : readFd, readable: !isIn, writable: isIn });
  return { stream, fd: isIn ? readFd : writeFd };
}

/** Both ends of a pipe that wakes up a thread that polls. */
export function openWakePipe(): { readonly readFd: number; readonly writeFd: number } {
  const fds = new Int32Array(2);
  check(pipe2(fds, O_CLOEXEC | constants.O_NONBLOCK), 'pipe2', '');
  const [readFd = -1, writeFd = -1] = fds;
  return { readFd, writeFd };
}

/**
 * Connects to a unix socket for packets (SOCK_SEQPACKET, which Node has not) and returns its
 * descriptor; undefined when too many others wait to be let in. The path may be longer than
 * unix(7) allows for.
 */
export function connectPackets(folder: string, name: string): number | undefined {
  const folderFd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  const type = SOCK_SEQPACKET | SOCK_NONBLOCK | O_CLOEXEC;
  const fd = check(socket(AF_UNIX, type, 0), 'socket', 'unix');
  try {
    const address = Buffer.from(`\u0001\0/proc/self/fd/${folderFd}/${name}\0`, 'latin1');
    if (connect(fd, address, address.length) === 0) return fd;
    const error = lastError();
    close(fd);
    if (isLater(error)) return undefined;
    throw new SyscallError('connect', error, `${folder}/${name}`);
  } finally {
    closeSync(folderFd);
  }
}

/** How many bytes there were: 0 at the end, or when the other side is gone; undefined: none yet. */
export function receiveFrom(fd: number, buffer: Buffer): number | undefined {
  return ended(recv(fd, buffer, buffer.length, 0));
}

/** As receiveFrom, for what is not a socket. */
export function readFrom(fd: number, buffer: Buffer): number | undefined {
  return ended(read(fd, buffer, buffer.length));
}

function ended(count: number): number | undefined {
  if (count >= 0) return count;
  return isLater(lastError()) ? undefined : 0;
}

/** How many bytes there was room for; undefined when the other side is gone. */
export function writeTo(fd: number, bytes: Buffer): number | undefined {
  return taken(write(fd, bytes, bytes.length));
}

/** As writeTo, for a socket, which takes a packet as a whole. */
export function sendTo(fd: number, bytes: Buffer): number | undefined {
  return taken(send(fd, bytes, bytes.length, MSG_NOSIGNAL));
}

function taken(count: number): number | undefined {
  if (count >= 0) return count;
  return isLater(lastError()) ? 0 : undefined;
}

/** Whether it may work another time. */
function isLater(error: string): boolean {
  return error === 'EAGAIN' || error === 'EINTR';
}

/** How many bytes wait in a pipe to be read. */
export function unreadBytes(fd: number): number {
  const count = Buffer.alloc(4);
  check(ioctl(fd, FIONREAD, count), 'ioctl', 'FIONREAD');
  return count.readInt32LE();
}
