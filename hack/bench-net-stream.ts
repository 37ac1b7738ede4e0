/**
 * One end of a TCP stream that moves bytes as fast as the kernel does, by blocking system calls.
 *   bench-net-stream.ts receive <port>                prints "ready" at first
 *   bench-net-stream.ts send <host> <port> <bytes>    sends so many
 */
import { check, close, declare, recv, send, setsockopt, socket } from '#linux/libc.ts';

const bind = declare<[number, Buffer, number]>(
  'int bind(int fd, const void *address, uint32_t length)',
);
const listen = declare<[number, number]>('int listen(int fd, int backlog)');
const accept = declare<[number, null, null]>('int accept(int fd, void *address, void *length)');
const connect = declare<[number, Buffer, number]>(
  'int connect(int fd, const void *address, uint32_t length)',
);

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const chunk = Buffer.alloc(256 * 1024);

/** struct sockaddr_in */
function addressOf(host: string, port: number): Buffer {
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  Buffer.from(host.split('.').map(Number)).copy(address, 4);
  return address;
}

function open(): number {
  return check(socket(AF_INET, SOCK_STREAM, 0), 'socket', 'TCP');
}

function receive(port: number): void {
  const server = open();
  check(setsockopt(server, SOL_SOCKET, SO_REUSEADDR, Buffer.of(1, 0, 0, 0), 4), 'setsockopt', '');
  check(bind(server, addressOf('0.0.0.0', port), 16), 'bind', `${port}`);
  check(listen(server, 1), 'listen', `${port}`);
  process.stdout.write('ready\n');
  const stream = check(accept(server, null, null), 'accept', `${port}`);
  moved(() => check(recv(stream, chunk, chunk.length, 0), 'recv', ''));
  close(stream);
  close(server);
}

function transmit(host: string, port: number, bytes: number): void {
  const stream = open();
  check(connect(stream, addressOf(host, port), 16), 'connect', `${host}:${port}`);
  let left = bytes;
  moved(() => {
    const length = left > 0 ? check(send(stream, chunk, chunk.length, 0), 'send', '') : 0;
    left -= length;
    return length;
  });
  close(stream);
}

/** Moves bytes until there are none, and prints what that took, in ms: the time, and the processor's. */
function moved(move: () => number): void {
  const [start, used] = [performance.now(), process.cpuUsage()];
  while (move() > 0);
  const { user, system } = process.cpuUsage(used);
  process.stdout.write(`${performance.now() - start} ${(user + system) / 1000}\n`);
}

const [verb, first = '', second, third] = process.argv.slice(2);
if (verb === 'receive') receive(Number(first));
else transmit(first, Number(second), Number(third));
