import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/** A request to speak another protocol on a connection, with the connection. */
export type Upgrade = { readonly request: IncomingMessage; readonly socket: Duplex };

const header = 'x-stream-protocol-version';

/**
 * Agrees on SPDY/3.1 and on the first of the client's protocols that is among `known`, and returns
 * that. Otherwise tells the client why not, and returns undefined.
 */
export function agreeOnSpdy({ request, socket }: Upgrade, known: readonly string[]) {
  const offered = [request.headers[header] ?? []].flat().join(',');
  if (offered === '') return refuse(socket, 400, `the header ${header} is missing`);
  const chosen = offered
    .split(',')
    .map((name) => name.trim())
    .find((name) => known.includes(name));
  if (chosen === undefined) {
    const accepted = { 'X-Accepted-Stream-Protocol-Versions': known.join(',') };
    return refuse(socket, 403, `none of these protocols is known: ${offered}`, accepted);
  }
  const answer = { Connection: 'Upgrade', Upgrade: 'SPDY/3.1', [header]: chosen };
  socket.write(head(101, answer));
  return chosen;
}

/** How long a client may take to read why it is refused. */
const lingerMs = 5_000;

/** Answers with an error and closes the connection. What the client still sends is read and dropped. */
export function refuse(
  socket: Duplex,
  status: number,
  ...[why, headers = {}]: [string, Readonly<Record<string, string>>?]
): undefined {
  const body = `${why}\n`;
  const length = `${Buffer.byteLength(body)}`;
  const plain = { 'Content-Type': 'text/plain', 'Content-Length': length, Connection: 'close' };
  socket.end(head(status, { ...plain, ...headers }) + body);
  const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
  socket.resume().once('close', () => clearTimeout(timer));
}

function head(status: number, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n`;
}
