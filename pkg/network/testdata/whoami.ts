/**
 * A server that answers everybody with the address they come from, and its client.
 *   whoami.ts serve tcp|udp <port>         prints "ready" when it listens
 *   whoami.ts ask tcp|udp <host> <port>    prints the answer, or "none" after a second
 */
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';

const [verb, protocol, ...rest] = process.argv.slice(2);
const say = (text: string): boolean => process.stdout.write(`${text}\n`);

function serveTcp(port: number): void {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(socket.remoteAddress ?? '');
  });
  server.listen(port, '0.0.0.0', () => say('ready'));
}

function serveUdp(port: number): void {
  const socket = createSocket('udp4');
  socket.on('message', (_, from) => socket.send(from.address, from.port, from.address));
  socket.bind(port, () => say('ready'));
}

function askTcp(port: number, host: string): void {
  const socket = connect({ port, host });
  socket.on('data', (answer) => say(answer.toString()));
  socket.on('error', () => say('none'));
  socket.setTimeout(1000, () => socket.destroy(new Error('no answer')));
}

function askUdp(port: number, host: string): void {
  const socket = createSocket('udp4');
  const timer = setTimeout(() => {
    say('none');
    socket.close();
  }, 1000);
  socket.on('message', (answer) => {
    clearTimeout(timer);
    say(answer.toString());
    socket.close();
  });
  socket.send('who am I?', port, host);
}

const [first = '', second = ''] = rest;
if (verb === 'serve') (protocol === 'udp' ? serveUdp : serveTcp)(Number(first));
else (protocol === 'udp' ? askUdp : askTcp)(Number(second), first);
