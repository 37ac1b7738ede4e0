/** Whether bytes come back as they were sent, in both directions at once. */
import { spawn } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const chunkBytes = 1 << 20;

/** Bytes that do not repeat, at the pace of a cipher. */
function* noise(sizeBytes: number): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
  const zeros = Buffer.alloc(chunkBytes);
  for (let left = sizeBytes; left > 0; left -= chunkBytes) {
    yield cipher.update(zeros.subarray(0, left));
  }
}

/** Sends so many bytes, and compares what comes back. */
async function exchange(
  { input, output }: { readonly input: Writable; readonly output: Readable },
  sizeBytes: number,
): Promise<boolean> {
  const [sent, received] = [createHash('sha256'), createHash('sha256')];
  const sending = pipeline(async function* () {
    for (const chunk of noise(sizeBytes)) {
      sent.update(chunk);
      yield chunk;
    }
  }, input);
  for await (const chunk of output) received.update(chunk);
  await sending;
  return sent.digest('hex') === received.digest('hex');
}

/** Through a program that gives back what it reads. */
export async function isSameThroughProgram(
  [program = '', ...args]: readonly string[],
  sizeBytes: number,
): Promise<boolean> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const isSame = await exchange({ input: child.stdin, output: child.stdout }, sizeBytes);
  await ended;
  return isSame;
}

/** Through a port behind which there is such a program. */
export async function isSameThroughPort(port: number, sizeBytes: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  return exchange({ input: socket, output: socket }, sizeBytes);
}
