/**
 * Connects by TCP and goes on sending: stay-connected.ts <host> <port>. Prints "connected", and when
 * the other side has broken off "broken off", or after ten seconds "unnoticed".
 */
import { connect } from 'node:net';

const [host = '', port = ''] = process.argv.slice(2);
const socket = connect({ host, port: Number(port) });
const sending = setInterval(() => socket.write('still there?'), 100);
const giveUp = setTimeout(() => end('unnoticed'), 10_000);

function end(word: string): void {
  clearInterval(sending);
  clearTimeout(giveUp);
  socket.destroy();
  process.stdout.write(`${word}\n`);
}

socket.on('connect', () => process.stdout.write('connected\n'));
socket.on('error', () => end('broken off'));
