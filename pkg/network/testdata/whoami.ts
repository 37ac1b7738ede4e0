/**
 * A server that answers everybody with the address they come from, and its client.
 *   whoami.ts serve tcp|udp <port> [host]           prints "ready" when it listens
 *   whoami.ts ask tcp|udp <host> <port> [own port]  prints the answer, or "none" after a second
 */
import { createSocket } from 'node:dgram';
import { connect, createServer, isIPv6 } from 'node:net';

const [verb, protocol, ...rest] = process.argv.slice(2);
const say = (text: string): boolean => process.stdout.write(`${text}\n`);
const plain = (address = ''): string => address.replace(/^::ffff:/, '');

function serveTcp(port: number, host: string): void {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(plain(socket.remoteAddress));
  });
  server.listen(port, host, () => say('ready'));
}

function serveUdp(port: number, host: string): void {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  socket.on('message', (_, from) => socket.send(plain(from.address), from.port, from.address));
  socket.bind(port, host, () => say('ready'));
}

function askTcp(host: string, port: number, ownPort: number): void {
  const socket = connect({ port, host, ...(ownPort === 0 ? {} : { localPort: ownPort }) });
  socket.on('data', (answer) => say(answer.toString()));
  socket.on('error', () => say('none'));
  socket.setTimeout(1000, () => socket.destroy(new Error('no answer')));
}

function askUdp(host: string, port: number, ownPort: number): void {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  const timer = setTimeout(() => {
    say('none');
    socket.close();
  }, 1000);
  socket.on('message', (answer) => {
    clearTimeout(timer);
    say(answer.toString());
    socket.close();
  });
  socket.bind(ownPort, () => socket.send('who am I?', port, host));
}

const [first = '', second = '', third = '0'] = rest;
if (verb === 'serve') {
  (protocol === 'udp' ? serveUdp : serveTcp)(Number(first), second === '' ? '::' : second);
} else {
  (protocol === 'udp' ? askUdp : askTcp)(first, Number(second), Number(third));
}
