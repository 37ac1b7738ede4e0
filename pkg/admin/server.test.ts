import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buffer, text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type FakeRegistry, serving, startFake } from '#image/testdata/fake-registry.ts';
import { openTestImages, type TestImages } from '#image/testdata/open-images.ts';
import { buildImage } from '#image/testdata/test-image.ts';
import { createLog } from '#log/log.ts';
import type { PodNetwork } from '#network/pod-network.ts';
import type { Engine } from '#runtime/engine.ts';
import type { Targets } from '#streaming/sessions.ts';
import { Tracer } from '#trace/tracer.ts';
import { type AdminServer, serveAdmin } from './server.ts';

const image = buildImage([{ entries: [{ name: 'a', content: 'x'.repeat(100_000) }] }]);
const [layer] = image.layers;

/** Images need none of these; the integration tests have both. */
const engine = {} as Engine;
const config = { root: '/root', state: '/state' };
const network = { builtIn: {} as PodNetwork, findOrphans: async () => [] };
const targets = {} as Targets;
const metrics = { page: async () => ({ contentType: 'text/plain', text: 'gantry_up 1\n' }) };
const deps = { engine, metrics, network, targets, version: '1', config };

let opened: TestImages;
let server: AdminServer;
let folder = '';
let socketPath = '';
let logged: string[] = [];

beforeEach(async () => {
  opened = await openTestImages();
  folder = mkdtempSync(join(tmpdir(), 'gantry-admin-'));
  socketPath = join(folder, 'admin.sock');
  logged = [];
  const log = createLog('debug', (line) => logged.push(line));
  server = await serveAdmin(
    { log, ...deps, tracer: new Tracer(), images: opened.images },
    socketPath,
  );
});
afterEach(async () => {
  await server.close(5000);
  await opened[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function serveAgain(): Promise<AdminServer> {
  return serveAdmin(
    { log: createLog('error'), ...deps, tracer: new Tracer(), images: opened.images },
    socketPath,
  );
}

/** Sends a request, with a body if there is one, and returns the answer, unread. */
async function ask(method: string, path: string, body?: Uint8Array | object) {
  const request = httpRequest({ socketPath, method, path });
  const response = once(request, 'response');
  request.end(body instanceof Uint8Array ? body : body && JSON.stringify(body));
  return (await response)[0] as IncomingMessage;
}

async function askJson(method: string, path: string, body?: Uint8Array | object) {
  const response = await ask(method, path, body);
  return { status: response.statusCode, ...JSON.parse(await text(response)) };
}

async function linesOf(response: IncomingMessage) {
  const lines = await Array.fromAsync(createInterface(response));
  return lines.map((line) => JSON.parse(line));
}

/** A registry that holds the second half of the layer back until `release` is called. */
async function startSlow(): Promise<FakeRegistry & { readonly release: () => void }> {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const bytes = layer?.bytes ?? Buffer.alloc(0);
  const half = Math.floor(bytes.length / 2);
  const fake = await startFake(
    serving(image, ({ url }, response) => {
      if (!url?.endsWith(layer?.digest ?? '')) return false;
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, half));
      void released.then(() => response.end(bytes.subarray(half)));
      return true;
    }),
  );
  return { ...fake, release };
}

it('the page of metrics comes as it is', async () => {
  const answer = await ask('GET', '/metrics');
  expect(answer.headers['content-type']).toBe('text/plain');
  expect(await text(answer)).toBe('gantry_up 1\n');
});

it('serves on a socket for root alone, which goes with it', async () => {
  expect(statSync(socketPath).mode & 0o777).toBe(0o660);
  await server.close(5000);
  expect(existsSync(socketPath)).toBe(false);
  server = await serveAgain();
});

it('pulls an image, and tells how far it is', async () => {
  await using slow = await startSlow();
  const reference = `${slow.host}/test:v1`;
  const response = await ask('POST', '/v1/images/pull', { image: reference });
  const lines = createInterface(response)[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value ?? 'null');
  let { progress } = await next();
  while (progress.layers[0]?.stage !== 'downloading') ({ progress } = await next());
  const total = layer?.bytes.length ?? 0;
  expect(progress).toMatchObject({
    reference,
    outcome: { kind: 'running' },
    layers: [{ stage: 'downloading', bytes: Math.floor(total / 2), totalBytes: total }],
  });
  expect((await askJson('GET', '/v1/pulls')).pulls).toMatchObject([{ reference }]);
  slow.release();
  let last = await next();
  while ('progress' in last && last.progress.outcome.kind === 'running') last = await next();
  expect(last.progress.layers).toMatchObject([{ stage: 'done', bytes: total }]);
  expect(await next()).toMatchObject({ image: { id: image.config.digest, repoTags: [reference] } });
  expect(await next()).toBeNull();
  const { latest } = await askJson('GET', '/v1/operations');
  expect(latest).toMatchObject([
    { name: 'POST /v1/images/pull', attributes: { image: reference } },
  ]);
  const stages = latest[0].stages.map((stage: { name: string }) => stage.name);
  expect(stages).toEqual(['resolve', 'layer']);
});

it('follows all pulls until the caller goes', async () => {
  await using slow = await startSlow();
  const follower = await ask('GET', '/v1/pulls?follow=true');
  const lines = createInterface(follower)[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe('{"pulls":[]}');
  const pulling = opened.images.pull(`${slow.host}/test`, {}, new AbortController().signal);
  const { pulls } = JSON.parse((await lines.next()).value ?? '');
  expect(pulls).toMatchObject([{ kind: 'pull', reference: `${slow.host}/test:latest` }]);
  slow.release();
  await pulling;
  follower.destroy();
  await vi.waitFor(() => expect(logged.join('')).toContain('GET /v1/pulls'), 20_000);
});

it('gives a pull up when its caller goes', async () => {
  await using slow = await startSlow();
  const response = await ask('POST', '/v1/images/pull', { image: `${slow.host}/test` });
  response.destroy();
  await vi.waitFor(
    async () =>
      expect((await askJson('GET', '/v1/pulls')).pulls).toMatchObject([
        { outcome: { kind: 'failed', code: 'cancelled' } },
      ]),
    20_000,
  );
});

it('tells of a failed pull as gRPC does', async () => {
  await using empty = await startFake((_request, response) => void response.writeHead(404).end());
  const reference = `${empty.host}/none:v1`;
  const lines = await linesOf(await ask('POST', '/v1/images/pull', { image: reference }));
  // After lines of progress, where it takes its time.
  const { error } = lines.at(-1);
  expect(error).toMatchObject({
    code: 'not-found',
    message: expect.stringContaining(`pull image "${reference}": `),
  });
});

it('imports, lists, tags, exports and removes an image', async () => {
  await using fake = await startFake(serving(image));
  const reference = `${fake.host}/test:v1`;
  await linesOf(await ask('POST', '/v1/images/pull', { image: reference }));
  const query = `image=${encodeURIComponent(reference)}`;
  const archive = await buffer(await ask('GET', `/v1/images/export?${query}&format=docker`));
  const names = execFileSync('tar', ['-t'], { input: archive }).toString().split('\n');
  expect(names).toContain('manifest.json');
  const removed = await askJson('DELETE', `/v1/images?${query}`);
  expect(removed).toMatchObject({ status: 200, image: { repoTags: [reference] } });
  const imported = await askJson('POST', '/v1/images/import?name=a:1', archive);
  expect(imported).toMatchObject({ status: 200, images: [{ id: image.config.digest }] });
  const tagged = await askJson('POST', '/v1/images/tag', { image: 'a:1', tag: 'b:2' });
  expect(tagged.image.repoTags).toEqual(['docker.io/library/a:1', 'docker.io/library/b:2']);
  expect((await askJson('GET', '/v1/images')).images).toEqual([tagged.image]);
});

it.each([
  ['GET', '/v1/other', undefined, 404, 'there is no "GET /v1/other"; there is GET /v1/node'],
  ['PUT', '/v1/images', undefined, 404, 'there is no "PUT /v1/images"'],
  ['GET', '/constructor', undefined, 404, 'there is no'],
  ['POST', '/v1/images/pull', { image: 'a/UPPER' }, 400, 'must be in lower case'],
  ['POST', '/v1/images/pull', { imgae: 'a' }, 400, 'read the body'],
  ['POST', '/v1/images/pull', Buffer.alloc(70_000, ' '), 400, 'the body is too large'],
  ['POST', '/v1/images/tag', { image: 'none:1', tag: 'a:1' }, 404, '"none:1" is not on this node'],
  ['DELETE', '/v1/images?image=none:1', undefined, 404, '"none:1" is not on this node'],
  ['DELETE', '/v1/images', undefined, 400, 'the parameter "image" is missing'],
  ['GET', '/v1/images/export?image=none:1', undefined, 404, 'not on this node'],
  ['GET', '/v1/images/export?image=a&format=zip', undefined, 400, 'there is oci and docker'],
  ['POST', '/v1/images/import', Buffer.from('no archive'), 409, 'read the archive: '],
  ['POST', '/v1/images/import?name=a@b', Buffer.alloc(1024), 400, 'parse image reference'],
])('answers %s %s with the reason', async (...[method, path, body, status, message]) => {
  const answer = await askJson(method, path, body);
  expect(answer).toMatchObject({ status, error: { message: expect.stringContaining(message) } });
});

it('answers a large archive that it refuses, and leaves nothing', async () => {
  const answer = await askJson('POST', '/v1/images/import', Buffer.alloc(32 << 20, 'x'));
  expect(answer).toMatchObject({ status: 409 });
  expect(readdirSync(join(opened.root, 'content/ingest'))).toEqual([]);
});

it('breaks an export off when the archive cannot be finished', async () => {
  const large = buildImage([
    { entries: [{ name: 'a', content: randomBytes(16 << 20) }], compression: 'none' },
  ]);
  await using fake = await startFake(serving(large));
  const reference = `${fake.host}/test:v1`;
  await linesOf(await ask('POST', '/v1/images/pull', { image: reference }));
  const response = await ask('GET', `/v1/images/export?image=${encodeURIComponent(reference)}`);
  expect(response.statusCode).toBe(200);
  await server.close(5000);
  await expect(buffer(response)).rejects.toThrow('aborted');
  server = await serveAgain();
});

it('tells those who wait that it stops', async () => {
  await using slow = await startSlow();
  const response = await ask('POST', '/v1/images/pull', { image: `${slow.host}/test` });
  const lines = linesOf(response);
  await server.close(5000);
  expect((await lines).at(-1)).toMatchObject({ error: { code: 'cancelled' } });
  server = await serveAgain();
});
