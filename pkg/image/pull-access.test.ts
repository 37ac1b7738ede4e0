import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeAuthority, makeCertificate } from './testdata/certificates.ts';
import { type FakeRegistry, type Handler, serving, startFake } from './testdata/fake-registry.ts';
import { openTestImages, type TestImages } from './testdata/open-images.ts';
import { failure } from './testdata/pull-fixture.ts';
import { buildImage } from './testdata/test-image.ts';

/** How registries are reached, and what they are shown: configuration, certificates, proxies. */

const never = new AbortController().signal;
const image = buildImage([{ entries: [{ name: 'one', content: 'one' }] }]);
let stack: AsyncDisposableStack;
let directory: string;
let opened: TestImages;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  directory = mkdtempSync(join(tmpdir(), 'gantry-access-'));
  stack.defer(() => rmSync(directory, { recursive: true }));
  opened = await open({});
});
afterEach(() => stack.disposeAsync());

async function open(options: Parameters<typeof openTestImages>[0]): Promise<TestImages> {
  const files = { certsDirs: [directory], authFiles: [join(directory, 'auth.json')] };
  return stack.use(await openTestImages({ ...files, ...options }));
}

async function fake(handle: Handler): Promise<FakeRegistry> {
  return stack.use(await startFake(handle));
}

function configure(host: string, text: string): void {
  mkdirSync(join(directory, host), { recursive: true });
  writeFileSync(join(directory, host, 'hosts.toml'), text);
}

function pull(host: string, credentials?: { username: string; password: string }) {
  const options = credentials === undefined ? {} : { credentials };
  return opened.images.pull(`${host}/test:v1`, options, never);
}

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function tlsRegistry(options: ServerOptions, handle: RequestListener = serving(image)) {
  return listen(createTlsServer(options, handle));
}

const basicOf = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`;

/** Wants a password, and keeps what it was shown. */
function guarded(pair: string, shown: (string | undefined)[]): Handler {
  return (incoming, response) => {
    shown.push(incoming.headers.authorization);
    if (incoming.headers.authorization === basicOf(pair)) return serving(image)(incoming, response);
    return response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
  };
}

function writeAuths(auths: object): void {
  writeFileSync(join(directory, 'auth.json'), JSON.stringify({ auths }));
}

const entryOf = (pair: string) => ({ auth: Buffer.from(pair).toString('base64') });

it('shows what the node has for a registry when the caller brings nothing', async () => {
  const shown: (string | undefined)[] = [];
  const { host } = await fake(guarded('ann:secret', shown));
  writeAuths({ 'elsewhere.example': entryOf('eve:x'), [host]: entryOf('ann:secret') });
  expect((await pull(host)).id).toBe(image.config.digest);
  expect(new Set(shown)).toEqual(new Set([undefined, basicOf('ann:secret')]));
});

it("does not try the node's credentials in place of a caller's wrong ones", async () => {
  const shown: (string | undefined)[] = [];
  const { host } = await fake(guarded('ann:secret', shown));
  writeAuths({ [host]: entryOf('ann:secret') });
  const failed = await failure(opened, pull(host, { username: 'ann', password: 'wrong' }));
  expect(failed.code).toBe('unauthenticated');
  expect(shown).not.toContain(basicOf('ann:secret'));
});

it('takes note of credentials that come while it runs, and tells of a broken file', async () => {
  const { host } = await fake(guarded('ann:secret', []));
  expect((await failure(opened, pull(host))).code).toBe('unauthenticated');
  writeFileSync(join(directory, 'auth.json'), '{');
  expect((await failure(opened, pull(host))).text).toContain('auth.json": it is not JSON');
  writeAuths({ [`http://${host}/v1/`]: entryOf('ann:secret') });
  expect((await pull(host)).id).toBe(image.config.digest);
});

it('shows a mirror what the node has for the mirror', async () => {
  const shown: (string | undefined)[] = [];
  const mirror = await fake(guarded('mia:secret', shown));
  configure('example.invalid', `[host."http://${mirror.host}"]`);
  writeAuths({ 'example.invalid': entryOf('ann:x'), [mirror.host]: entryOf('mia:secret') });
  expect((await pull('example.invalid')).id).toBe(image.config.digest);
  expect(shown).not.toContain(basicOf('ann:x'));
});

it('shows its own certificate to a registry that wants one', async () => {
  const authority = makeAuthority(directory, 'authority');
  const server = makeCertificate(directory, 'server', authority);
  const client = makeCertificate(directory, 'client', authority);
  const stranger = makeCertificate(directory, 'stranger', makeAuthority(directory, 'other'));
  const [key, cert, ca] = [server.key, server.certificate, authority.certificate].map((path) =>
    readFileSync(path),
  );
  const host = await tlsRegistry({ key, cert, ca, requestCert: true, rejectUnauthorized: true });
  const trust = `server = "https://${host}"\nca = "${authority.certificate}"\n`;
  configure(host, trust);
  expect((await failure(opened, pull(host))).code).toBe('unavailable');
  configure(host, `${trust}client = [["${stranger.certificate}", "${stranger.key}"]]`);
  expect((await failure(opened, pull(host))).code).toBe('unavailable');
  configure(host, `${trust}client = [["../client.pem", "${client.key}"]]`);
  expect((await pull(host)).id).toBe(image.config.digest);
});

it('refuses a certificate for another name, unless told not to look', async () => {
  const authority = makeAuthority(directory, 'authority');
  const { key, certificate } = makeCertificate(directory, 'server', authority);
  const host = await tlsRegistry({ key: readFileSync(key), cert: readFileSync(certificate) });
  const port = host.split(':')[1];
  configure(`localhost:${port}`, `server = "https://localhost:${port}"\nca = "../authority.pem"`);
  const { text } = await failure(opened, pull(`localhost:${port}`));
  expect(text).toMatch(/^RegistryUnavailable: .* certificate is not accepted/);
  configure(`localhost:${port}`, `server = "https://localhost:${port}"\nskip_verify = true`);
  expect((await pull(`localhost:${port}`)).id).toBe(image.config.digest);
});

it('asks a mirror only for what it is said to be able to do', async () => {
  const blobs = await fake(serving(image));
  const tags = await fake(serving(image));
  configure(
    'example.invalid',
    `[host."http://${blobs.host}"]
     capabilities = ["pull"]
     [host."http://${tags.host}"]
     capabilities = ["resolve"]`,
  );
  expect((await pull('example.invalid')).id).toBe(image.config.digest);
  expect(tags.requests.every((each) => each.includes('/manifests/v1?'))).toBe(true);
  expect(blobs.requests.filter((each) => each.includes('/manifests/v1'))).toEqual([]);
  expect(blobs.requests.length).toBeGreaterThan(0);
});

it('says so when no server may be asked', async () => {
  configure('example.invalid', 'capabilities = ["pull"]');
  const { code, text } = await failure(opened, pull('example.invalid'));
  expect(code).toBe('failed-precondition');
  expect(text).toContain('no server is configured to resolve for "example.invalid"');
});

it('takes paths as they are where told to, and sends the headers that are configured', async () => {
  const seen: (string | string[] | undefined)[] = [];
  const registry = await fake((incoming, response) => {
    seen.push(incoming.headers['x-key']);
    if (!incoming.url?.startsWith('/artifactory/docker/')) return response.writeHead(404).end();
    incoming.url = incoming.url.replace('/artifactory/docker/', '/v2/');
    return serving(image)(incoming, response);
  });
  configure(
    '_default',
    `[host."http://${registry.host}/artifactory/docker"]
     override_path = true
     [host."http://${registry.host}/artifactory/docker".header]
     x-key = "k3y"`,
  );
  expect((await pull('example.invalid')).id).toBe(image.config.digest);
  expect(new Set(seen)).toEqual(new Set(['k3y']));
});

/** A proxy that tells what it was asked for: whole URLs, and hosts to be connected with. */
async function startProxy(asked: string[]): Promise<string> {
  const server = createServer((incoming, response) => {
    asked.push(`${incoming.method} ${incoming.url}`);
    const { method, headers } = incoming;
    const onward = request(incoming.url ?? '', { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(response);
    });
    onward.end();
  });
  server.on('connect', (incoming, socket) => {
    asked.push(`CONNECT ${incoming.url}`);
    const { hostname, port } = new URL(`tcp://${incoming.url}`);
    const onward = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    for (const each of [socket, onward]) each.on('error', () => each.destroy());
    stack.defer(() => void [socket.destroy(), onward.destroy()]);
  });
  return listen(server);
}

it('goes through the proxy of the environment, but not to hosts that it leaves out', async () => {
  const asked: string[] = [];
  const proxy = `http://${await startProxy(asked)}`;
  const [plain, direct] = [await fake(serving(image)), await fake(serving(image))];
  const proxyEnvironment = { HTTP_PROXY: proxy, NO_PROXY: direct.host };
  opened = await open({ proxyEnvironment });
  await pull(plain.host);
  expect(asked).toContain(`HEAD http://${plain.host}/v2/test/manifests/v1`);
  asked.length = 0;
  await opened.images.remove(image.config.digest);
  await pull(direct.host);
  expect(asked).toEqual([]);
});

it('speaks TLS with the registry itself through a proxy', async () => {
  const asked: string[] = [];
  const authority = makeAuthority(directory, 'authority');
  const { key, certificate } = makeCertificate(directory, 'server', authority);
  const host = await tlsRegistry({ key: readFileSync(key), cert: readFileSync(certificate) });
  configure(host, `server = "https://${host}"\nca = "../authority.pem"`);
  opened = await open({ proxyEnvironment: { https_proxy: `http://${await startProxy(asked)}` } });
  expect((await pull(host)).id).toBe(image.config.digest);
  expect(new Set(asked)).toEqual(new Set([`CONNECT ${host}`]));
});

it('names the registry when the proxy cannot be reached', async () => {
  const registry = await fake(serving(image));
  opened = await open({ proxyEnvironment: { HTTP_PROXY: 'http://127.0.0.1:9' } });
  const { code, text } = await failure(opened, pull(registry.host));
  expect(code).toBe('unavailable');
  expect(text).toContain(registry.host);
});
