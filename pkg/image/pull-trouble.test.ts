import { existsSync, readdirSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Handler, serving, startFake } from './testdata/fake-registry.ts';
import { openTestImages, type TestImages } from './testdata/open-images.ts';
import { failure } from './testdata/pull-fixture.ts';
import { buildImage } from './testdata/test-image.ts';

/** Registries in trouble for a moment, and registries that never come to an end. */

const never = new AbortController().signal;
const image = buildImage([
  { entries: [{ name: 'one', content: Buffer.alloc(200_000, 'x') }], compression: 'none' },
]);
const [layer] = image.layers;
let stack: AsyncDisposableStack;
let opened: TestImages;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  opened = stack.use(await openTestImages({ registryIdleMs: 100, retryGraceMs: 0 }));
});
afterEach(() => stack.disposeAsync());

async function pullFrom(handle: Handler) {
  const registry = stack.use(await startFake(handle));
  return opened.images.pull(`${registry.host}/test:v1`, {}, never);
}

type Answer = (response: ServerResponse) => unknown;

/** Answers requests whose URL has `part` in it with each of these in turn, and then as it should. */
function troubled(part: string, ...answers: readonly Answer[]): Handler {
  let count = 0;
  return serving(image, ({ url }, response) => {
    const answer = url?.includes(part) ? answers[count++] : undefined;
    answer?.(response);
    return answer !== undefined;
  });
}

const status =
  (code: number, headers = {}): Answer =>
  (response) =>
    response.writeHead(code, headers).end();
const reset: Answer = (response) => response.destroy();
const cutOff: Answer = (response) => {
  response.writeHead(200, { 'content-length': layer?.bytes.length });
  response.write(layer?.bytes.subarray(0, 4), () => response.destroy());
};

it.each<[string, Answer[]]>([
  ['too many requests', [status(429), status(429, { 'retry-after': '0' })]],
  ['a server in trouble', [status(500), status(503)]],
  ['a broken connection', [reset, reset]],
])('asks again after %s, for manifests and layers', async (_, answers) => {
  for (const part of ['manifests', 'blobs']) {
    await pullFrom(troubled(part, ...answers));
    await opened.images.remove(image.config.digest);
  }
});

it('goes on with a layer that breaks off at once, and gives up when it always does', async () => {
  const blob = layer?.digest ?? '';
  expect((await pullFrom(troubled(blob, cutOff, cutOff))).id).toBe(image.config.digest);
  await opened.images.remove(image.config.digest);
  const answers = Array.from({ length: 10 }, () => cutOff);
  const { code, text } = await failure(opened, pullFrom(troubled(blob, ...answers)));
  expect(code).toBe('unavailable');
  expect(text).toContain('it broke off the connection');
});

it('waits as long as a registry asks for', async () => {
  const startedAt = performance.now();
  await pullFrom(troubled('manifests', status(429, { 'retry-after': '1' })));
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(999);
});

it.each([
  ['answers 404', status(404)],
  ['answers 400', status(400)],
  ['asks to be left alone for an hour', status(429, { 'retry-after': '3600' })],
])('does not ask a registry again that %s', async (_, answer) => {
  const answers = Array.from({ length: 4 }, () => answer);
  let count = 0;
  const handle = troubled('manifests', ...answers);
  await failure(
    opened,
    pullFrom((request, response) => {
      count += 1;
      handle(request, response);
    }),
  );
  // A refused HEAD is asked again in full, to hear the reason, unless there is trouble.
  expect(count).toBeLessThanOrEqual(2);
});

/** Sends a piece now and then, for ever. */
function trickle(response: ServerResponse, piece: string): void {
  const timer = setInterval(() => response.write(piece), 10);
  stack.defer(() => clearInterval(timer));
  response.on('close', () => clearInterval(timer));
}

/** Sends as much as is taken, for ever. */
function flood(response: ServerResponse): void {
  const piece = Buffer.alloc(65_536, ' ');
  const write = () => {
    while (!response.destroyed && response.write(piece));
  };
  response.on('drain', write);
  write();
}

it.each<[string, Handler, string]>([
  ['manifest', endless('manifests', flood), 'larger than'],
  ['manifest, in drops,', endless('manifests', drops), 'heard for 100 ms'],
  ['configuration', endless(image.config.digest, flood), 'larger than'],
  ['layer', endless(layer?.digest ?? '', flood), 'has more than'],
  ['layer, in drops,', endless(layer?.digest ?? '', drops), 'heard for 100 ms'],
])('gives up on a %s that never ends', async (_, handle, reason) => {
  const { text } = await failure(opened, pullFrom(handle));
  expect(text).toContain(reason);
  await vi.waitFor(() => expectNothingLeft(), 20_000);
});

function drops(response: ServerResponse): void {
  trickle(response, ' ');
}

function endless(part: string, send: (response: ServerResponse) => void): Handler {
  return serving(image, ({ url, method }, response) => {
    const isIt = method === 'GET' && (url?.includes(part) ?? false);
    if (!isIt) return false;
    response.writeHead(200);
    response.flushHeaders();
    send(response);
    return true;
  });
}

it.each(['redirect', 'refusal'])('does not listen to the end of a %s', async (kind) => {
  const closed = Promise.withResolvers<void>();
  const registry = serving(image, ({ url }, response) => {
    if (url?.endsWith('?elsewhere') || !url?.includes('/blobs/')) return false;
    if (kind === 'redirect') response.writeHead(307, { location: `${url}?elsewhere` });
    else response.writeHead(404);
    response.on('close', closed.resolve);
    flood(response);
    return true;
  });
  const pulled = pullFrom(registry);
  if (kind === 'redirect') await pulled;
  else expect((await failure(opened, pulled)).code).toBe('not-found');
  await closed.promise;
});

it('gives up on an answer whose header never ends', async () => {
  const { code, text } = await failure(
    opened,
    pullFrom((_, response) => {
      const { socket } = response;
      socket?.write('HTTP/1.1 200 OK\r\n');
      const timer = setInterval(() => socket?.write('x'), 10);
      socket?.on('error', () => {});
      socket?.on('close', () => clearInterval(timer));
    }),
  );
  expect(code).toBe('unavailable');
  expect(text).toContain('heard for 100 ms');
});

function expectNothingLeft(): void {
  for (const directory of ['snapshots', 'content/ingest', 'content/blobs/sha256', 'trash']) {
    const path = join(opened.root, directory);
    expect(existsSync(path) ? readdirSync(path) : [], directory).toEqual([]);
  }
}
