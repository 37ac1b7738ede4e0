import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { feed } from './client-streams.ts';

function fed() {
  const [client, stdin] = [new PassThrough(), new PassThrough()];
  let taken = '';
  stdin.on('data', (chunk: Buffer) => (taken += chunk.toString()));
  feed(client, stdin);
  return { client, stdin, taken: () => taken };
}

it('ends with the end of the client’s input', async () => {
  const { client, stdin, taken } = fed();
  client.end('all');
  await once(stdin, 'end');
  expect(taken()).toBe('all');
});

it('ends when the client resets its input', async () => {
  const { client, stdin, taken } = fed();
  client.on('error', () => {}).write('some');
  await expect.poll(taken).toBe('some');
  client.destroy(new Error('reset'));
  await once(stdin, 'end');
});

it('does not end when the client has gone', async () => {
  const { client, stdin } = fed();
  client.write('rm -rf /tmp');
  client.destroy();
  await once(client, 'close');
  await new Promise(setImmediate);
  expect(stdin.writableEnded).toBe(false);
});

it('goes on to take what the client sends when nobody wants it any more', async () => {
  const { client, stdin } = fed();
  stdin.destroy(new Error('EPIPE'));
  await expect.poll(() => stdin.closed).toBe(true);
  client.end(Buffer.alloc(2 ** 20));
  await once(client, 'end');
});
