import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { describe as story, Fault } from '#errors/fault.ts';
import { type FakeRegistry, type Handler, serving, startFake } from './testdata/fake-registry.ts';
import { openTestImages, type TestImages } from './testdata/open-images.ts';
import { blobOf, buildImage, descriptorOf, type TestImage } from './testdata/test-image.ts';

const never = new AbortController().signal;
let stack: AsyncDisposableStack;
let opened: TestImages;
let certsDir: string;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  certsDir = mkdtempSync(join(tmpdir(), 'gantry-certs-'));
  stack.defer(() => rmSync(certsDir, { recursive: true }));
  opened = stack.use(await openTestImages({ certsDirs: [certsDir] }));
});
afterEach(() => stack.disposeAsync());

const image = buildImage([
  {
    entries: [{ name: 'one', content: Buffer.alloc(3_000_000, 'random enough') }],
    compression: 'none',
  },
  { entries: [{ name: 'two', content: 'two' }] },
]);
const [large, small] = [image.layers[0]?.digest ?? '', image.layers[1]?.digest ?? ''];

async function fake(handle: Handler): Promise<FakeRegistry> {
  return stack.use(await startFake(handle));
}

function pull(
  registry: { readonly host: string },
  credentials?: Parameters<TestImages['images']['pull']>[1]['credentials'],
) {
  return opened.images.pull(`${registry.host}/test:v1`, credentials ? { credentials } : {}, never);
}

/** The Fault that a pull ends with; afterwards nothing of the image is to be seen. */
async function failure(pulling: Promise<unknown>): Promise<{ code: string; text: string }> {
  const error: unknown = await pulling.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Fault);
  expect(opened.images.list()).toEqual([]);
  return { code: (error as Fault).code, text: story(error) };
}

/** Answers requests for one blob in a way of its own. */
function blobIs(
  digest: string,
  special: (request: IncomingMessage, response: ServerResponse) => void,
  of: TestImage = image,
) {
  return serving(of, (request, response) => {
    const isIt = request.url?.includes(`/blobs/${digest}`) ?? false;
    if (isIt) special(request, response);
    return isIt;
  });
}

it('names both digests when a blob is not what it should be', async () => {
  const wrong = Buffer.alloc(image.layers[0]?.bytes.length ?? 0);
  const { code, text } = await failure(
    pull(await fake(blobIs(large, (_, response) => response.end(wrong)))),
  );
  expect(code).toBe('failed-precondition');
  expect(text).toContain(
    `fetch layer "${large}": blob "${large}" came with the digest "${blobOf('', wrong).digest}"`,
  );
});

it.each([
  ['more', Buffer.alloc(4_000_000), 'has more than'],
  ['less', Buffer.alloc(100), 'has less than'],
])('refuses a blob with %s bytes than its descriptor says', async (_, bytes, reason) => {
  const special = ({ headers }: IncomingMessage, response: ServerResponse) =>
    headers.range ? response.writeHead(416).end() : response.end(bytes);
  const { code, text } = await failure(pull(await fake(blobIs(large, special))));
  expect(code).toBe('failed-precondition');
  expect(text).toContain(reason.includes('less') ? 'less than' : reason);
});

it.each([
  ['knows', true],
  ['does not know', false],
])('goes on after a broken connection with a server that %s ranges', async (_, knowsRanges) => {
  const bytes = image.layers[0]?.bytes ?? Buffer.alloc(0);
  const offsets: number[] = [];
  const registry = await fake(
    blobIs(large, ({ headers }, response) => {
      const offset = Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
      offsets.push(offset);
      const rest = knowsRanges ? bytes.subarray(offset) : bytes;
      response.writeHead(offset > 0 && knowsRanges ? 206 : 200, { 'content-length': rest.length });
      // The first two times it breaks off: after a third, after two thirds.
      if (offsets.length > 2) response.end(rest);
      else
        response.write(bytes.subarray(knowsRanges ? offset : 0, offsets.length * 1_000_000), () =>
          response.destroy(),
        );
    }),
  );
  expect((await pull(registry)).id).toBe(image.config.digest);
  expect(offsets).toEqual([0, 1_000_000, 2_000_000]);
});

it('gives up when broken connections bring nothing', async () => {
  const { code, text } = await failure(
    pull(await fake(blobIs(large, (_, response) => response.destroy()))),
  );
  expect(code).toBe('unavailable');
  expect(text).toContain('it broke off the connection');
});

it('gives up a registry that sends nothing any more', async () => {
  opened = stack.use(await openTestImages({ registryIdleMs: 50 }));
  const { code, text } = await failure(pull(await fake(blobIs(large, () => {}))));
  expect(code).toBe('unavailable');
  expect(text).toContain('nothing heard for 50 ms');
});

it.each([
  [401, 'unauthenticated', 'credentials'],
  [403, 'permission-denied', 'denies access (status 403, retry after 7 s): the reason'],
  [404, 'not-found', 'no such image'],
  [405, 'failed-precondition', 'refuses the request (status 405, retry after 7 s): the reason'],
  [429, 'unavailable', 'too many requests (status 429, retry after 7 s)'],
  [500, 'unavailable', 'cannot answer (status 500, retry after 7 s)'],
])('tells what a status of %i means', async (status, code, sentence) => {
  const body = '{"errors":[{"code":"X","message":"the reason"}]}';
  const registry = await fake((_, response) =>
    response.writeHead(status, { 'retry-after': '7' }).end(body),
  );
  const failed = await failure(pull(registry));
  expect(failed.code).toBe(code);
  expect(failed.text).toContain(sentence);
  expect(failed.text).toContain(
    `pull image "${registry.host}/test:v1": resolve "v1": registry "${registry.host}"`,
  );
  expect(failed.text.startsWith('RegistryUnavailable: ')).toBe(code === 'unavailable');
});

it('does without HEAD where a registry knows none', async () => {
  const registry = await fake(
    serving(image, ({ method }, response) => {
      if (method === 'HEAD') response.writeHead(405).end();
      return method === 'HEAD';
    }),
  );
  expect((await pull(registry)).id).toBe(image.config.digest);
});

it('tells why a registry cannot be reached', async () => {
  const closed = await startFake(() => {});
  await closed[Symbol.asyncDispose]();
  expect(await failure(pull(closed))).toMatchObject({
    code: 'unavailable',
    text: expect.stringContaining('it refuses connections'),
  });
  const nowhere = await failure(pull({ host: 'registry.invalid' }));
  expect(nowhere.text).toMatch(
    /^RegistryUnavailable: pull image "registry.invalid\/test:v1".*cannot be resolved \(DNS\)/,
  );
  const plain = await fake(() => {});
  configure(plain.host, `server = "https://${plain.host}"`);
  expect((await failure(pull(plain))).text).toContain('does not speak TLS');
});

function configure(host: string, text: string): void {
  mkdirSync(join(certsDir, host));
  writeFileSync(join(certsDir, host, 'hosts.toml'), text);
}

it('trusts a registry by its own authority, or anyhow, as configured', async () => {
  const [key, certificate] = [join(certsDir, 'key.pem'), join(certsDir, 'ca.pem')];
  const subject = ['-subj', '/CN=gantry test', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject];
  execFileSync('openssl', [...request, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  const pem = { key: readFileSync(key), cert: readFileSync(certificate) };
  const server = createTlsServer(pem, serving(image)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  configure(host, `server = "https://${host}"`);
  expect((await failure(pull({ host }))).text).toContain('its TLS certificate is not accepted');
  for (const trust of [`ca = "../ca.pem"`, 'skip_verify = true']) {
    writeFileSync(join(certsDir, host, 'hosts.toml'), `server = "https://${host}"\n${trust}`);
    expect((await pull({ host })).id).toBe(image.config.digest);
    await opened.images.remove(image.config.digest);
  }
});

const password = { username: 'ann', password: 's3cret' };
const basic = `Basic ${Buffer.from('ann:s3cret').toString('base64')}`;

/** Wants this Authorization header, and answers with a challenge otherwise. */
function guarded(expected: string, challenge: (host: string) => string, of: Handler): Handler {
  return (request, response) => {
    if (request.headers.authorization === expected) return of(request, response);
    const header = challenge(request.headers.host ?? '');
    return response.writeHead(401, { 'www-authenticate': header }).end();
  };
}

it('shows a password where it is asked for, and says when it is wrong', async () => {
  const registry = await fake(guarded(basic, () => 'Basic realm="r"', serving(image)));
  expect((await failure(pull(registry))).code).toBe('unauthenticated');
  const wrong = await failure(pull(registry, { ...password, password: 'wrong' }));
  expect(wrong.code).toBe('unauthenticated');
  expect(wrong.text).not.toContain('wrong');
  expect(
    (await failure(pull(registry, { ...password, serverAddress: 'elsewhere.example' }))).code,
  ).toBe('unauthenticated');
  expect(
    (await pull(registry, { ...password, serverAddress: `http://${registry.host}/v1/` })).id,
  ).toBe(image.config.digest);
});

it.each([
  ['nobody', undefined, ['GET', '']],
  ['a password', password, ['GET', basic]],
  ['an identity token', { identityToken: 'refresh' }, ['POST', '']],
])('gets a token for %s', async (_, credentials, [method, authorization]) => {
  const asked: string[] = [];
  const tokens: Handler = (request, response) => {
    if (!request.url?.startsWith('/token'))
      return guarded(
        'Bearer t0ken',
        (host) => `Bearer realm="http://${host}/token",service="svc",scope="repository:test:pull"`,
        serving(image),
      )(request, response);
    request.setEncoding('utf8').on('data', (body: string) => asked.push(body));
    asked.push(request.method ?? '', request.url, request.headers.authorization ?? '');
    return request.on('end', () =>
      response.end(method === 'POST' ? '{"access_token":"t0ken"}' : '{"token":"t0ken"}'),
    );
  };
  expect((await pull(await fake(tokens), credentials)).id).toBe(image.config.digest);
  const [used, url, header, body] = asked;
  expect([used, header]).toEqual([method, authorization]);
  if (method === 'POST') expect(body).toContain('grant_type=refresh_token');
  else expect(url).toBe('/token?scope=repository%3Atest%3Apull&service=svc');
  // The blobs came with the token that the manifest had got.
  expect(asked.filter((entry) => entry.startsWith('/token')).length).toBe(1);
});

it('follows redirects of blobs, but shows credentials to no other host', async () => {
  const seen: (string | undefined)[] = [];
  const storage = await fake((request, response) => {
    seen.push(request.headers.authorization);
    serving(image)(request, response);
  });
  const redirecting = blobIs(large, (request, response) => {
    response.writeHead(307, { location: `http://${storage.host}${request.url}` }).end();
  });
  const registry = await fake(guarded(basic, () => 'Basic', redirecting));
  expect((await pull(registry, password)).id).toBe(image.config.digest);
  expect(seen).toEqual([undefined]);
});

it('asks mirrors first, tells them of the registry, and shows them no credentials', async () => {
  const seen: (string | undefined)[] = [];
  const broken = await fake((_, response) => response.writeHead(503).end());
  const mirror = await fake((request, response) => {
    seen.push(request.headers.authorization);
    serving(image)(request, response);
  });
  configure('example.invalid', `[host."http://${broken.host}"]\n[host."http://${mirror.host}"]`);
  expect((await pull({ host: 'example.invalid' }, password)).repoTags).toEqual([
    'example.invalid/test:v1',
  ]);
  expect(broken.requests[0]).toBe('HEAD /v2/test/manifests/v1?ns=example.invalid');
  expect(new Set(seen)).toEqual(new Set([undefined]));
  const none = await failure(
    opened.images
      .remove(image.config.digest)
      .then(() => opened.images.pull('example.invalid/missing', {}, never)),
  );
  expect(none.text).toContain('status 503');
  expect(none.text).toContain('no such image');
  expect(none.text).toContain('cannot be resolved');
});

const layer = descriptorOf(image.layers[1] ?? image.config);
const config = descriptorOf(image.config);

it.each([
  ['schema 1', { schemaVersion: 1, name: 'test' }, ['unimplemented', 'schema 1']],
  [
    'a foreign layer',
    {
      layers: [
        layer,
        { ...layer, mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' },
      ],
    },
    ['unimplemented', 'foreign'],
  ],
  [
    'an encrypted layer',
    {
      layers: [
        layer,
        { ...layer, mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip+encrypted' },
      ],
    },
    ['unimplemented', 'encrypted'],
  ],
  [
    'a chart',
    {
      layers: [
        layer,
        { ...layer, mediaType: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip' },
      ],
    },
    ['unimplemented', 'helm'],
  ],
  ['too few layers', { layers: [layer] }, ['failed-precondition', '1 layers, and 2']],
  [
    'swapped layers',
    { layers: [...image.layers].toReversed().map(descriptorOf) },
    ['failed-precondition', 'its content has the digest'],
  ],
  [
    'a bad digest',
    { config: { ...config, digest: 'sha256:../../etc/passwd' } },
    ['failed-precondition', 'not a sha256 digest'],
  ],
  ['something else', { mediaType: 'text/plain' }, ['unimplemented', 'not an image']],
])('refuses an image with %s', async (_, changes, [code, reason]) => {
  const layers = image.layers.map(descriptorOf);
  const json = {
    schemaVersion: 2,
    mediaType: image.manifest.mediaType,
    config,
    layers,
    ...changes,
  };
  const manifest = blobOf(image.manifest.mediaType, json);
  const failed = await failure(pull(await fake(serving({ ...image, manifest }))));
  expect(failed.code).toBe(code);
  expect(failed.text).toContain(reason);
});

it('ends with its deadline, at once, and leaves nothing to be seen', async () => {
  const registry = await fake(() => {});
  const pulling = opened.images.pull(`${registry.host}/test:v1`, {}, AbortSignal.timeout(1));
  expect((await failure(pulling)).code).toBe('deadline-exceeded');
});

it('is shared by all who pull the same, and aborted when all have gone', async () => {
  const asked = Promise.withResolvers<ServerResponse>();
  const registry = await fake(
    blobIs(large, (_, response) => {
      response.writeHead(200, { 'content-length': 3_001_856 });
      response.write(Buffer.alloc(1000), () => asked.resolve(response));
    }),
  );
  const callers = [new AbortController(), new AbortController()];
  const pulls = callers.map(({ signal }) =>
    opened.images.pull(`${registry.host}/test:v1`, {}, signal),
  );
  const outcomes = Promise.allSettled(pulls);
  const response = await asked.promise;
  const dropped = once(response, 'close');
  callers[0]?.abort();
  await expect(pulls[0]).rejects.toMatchObject({ code: 'cancelled' });
  expect(response.destroyed).toBe(false);
  callers[1]?.abort();
  await outcomes;
  await dropped;
  expect(
    registry.requests.filter((each) => each.startsWith('GET') && each.includes(large)).length,
  ).toBe(1);
  expect(opened.images.list()).toEqual([]);
  await vi.waitFor(
    () => expect(readdirSync(join(opened.root, 'content/ingest'))).toEqual([]),
    20_000,
  );
});

it('goes on for the one who stays when another has gone', async () => {
  const asked = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const registry = await fake(
    serving(image, (request, response) => {
      if (!request.url?.includes(small)) return false;
      asked.resolve();
      void goOn.promise.then(() => response.end(image.layers[1]?.bytes));
      return true;
    }),
  );
  const caller = new AbortController();
  const gone = opened.images.pull(`${registry.host}/test:v1`, {}, caller.signal);
  // Another reference to the same layers: its pull joins the work on them.
  const stays = opened.images.pull(`${registry.host}/test:v2`, {}, never);
  await asked.promise;
  caller.abort();
  await expect(gone).rejects.toMatchObject({ code: 'cancelled' });
  goOn.resolve();
  expect((await stays).repoTags).toEqual([`${registry.host}/test:v2`]);
});

it('fetches each layer once for several pulls at a time', async () => {
  const registry = await fake(serving(image));
  const tags = ['a', 'b', 'c', 'd'];
  const pulls = tags.map((tag) => opened.images.pull(`${registry.host}/test:${tag}`, {}, never));
  const pulled = await Promise.all(pulls);
  expect(new Set(pulled.map(({ id }) => id)).size).toBe(1);
  expect(opened.images.list()[0]?.repoTags.length).toBe(4);
  for (const digest of [large, small]) {
    expect(registry.requests.filter((each) => each.includes(digest)).length).toBe(1);
  }
});

it('fetches no blob that is there, and asks only for the digest of what it knows', async () => {
  const registry = await fake(serving(image));
  await pull(registry);
  registry.requests.length = 0;
  await pull(registry);
  expect(registry.requests).toEqual(['HEAD /v2/test/manifests/v1']);
});

/** Fails when the other layer is in the store. */
async function failLate(response: ServerResponse): Promise<void> {
  const path = join(opened.root, 'content/blobs', large.replace(':', '/'));
  await vi.waitFor(() => expect(existsSync(path)).toBe(true), 20_000);
  response.writeHead(500).end();
}

it('keeps what a failed pull has brought for the next one', async () => {
  let isBroken = true;
  const registry = await fake(
    serving(image, (request, response) => {
      if (!isBroken || !request.url?.includes(small)) return false;
      void failLate(response);
      return true;
    }),
  );
  await failure(pull(registry));
  isBroken = false;
  await pull(registry);
  expect(registry.requests.filter((each) => each.includes(large)).length).toBe(1);
});

it('leaves nothing to be seen when the daemon is killed, and starts anew', async () => {
  const half = Promise.withResolvers<void>();
  let isSlow = true;
  const registry = await fake(
    serving(image, (request, response) => {
      if (!isSlow || !request.url?.includes(large)) return false;
      response.writeHead(200, { 'content-length': image.layers[0]?.bytes.length });
      response.write(image.layers[0]?.bytes.subarray(0, 2_000_000), () => half.resolve());
      return true;
    }),
  );
  const { root } = opened;
  await opened.close();
  const script = new URL('testdata/pull-and-hang.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, root, `${registry.host}/test:v1`]);
  stack.defer(() => void child.kill('SIGKILL'));
  await half.promise;
  const file = join(root, 'snapshots/1/fs/one');
  await vi.waitFor(() => expect(statSync(file).size).toBeGreaterThan(0), 20_000);
  child.kill('SIGKILL');
  await once(child, 'exit');
  opened = stack.use(await opened.restart());
  expect(opened.images.list()).toEqual([]);
  for (const directory of ['snapshots', 'content/ingest', 'content/blobs/sha256']) {
    expect(readdirSync(join(root, directory)), directory).toEqual([]);
  }
  isSlow = false;
  expect((await pull(registry)).id).toBe(image.config.digest);
});
