import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describe as story } from '#errors/fault.ts';
import { endpointsOf } from './hosts.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gantry-hosts-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

async function bases(host: string): Promise<string[]> {
  return (await endpointsOf(host, [join(root, 'missing'), root])).map(({ base }) => base);
}

it.each([
  ['docker.io', 'https://registry-1.docker.io/v2'],
  ['quay.io', 'https://quay.io/v2'],
  ['quay.io:8443', 'https://quay.io:8443/v2'],
  ['localhost:5000', 'http://localhost:5000/v2'],
  ['127.0.0.1:5000', 'http://127.0.0.1:5000/v2'],
  ['[::1]:5000', 'http://[::1]:5000/v2'],
  ['localhost:443', 'https://localhost:443/v2'],
  ['localhost.example.org', 'https://localhost.example.org/v2'],
])('endpointsOf knows where %s is without configuration', async (host, base) => {
  expect(await bases(host)).toEqual([base]);
});

it('endpointsOf gives the mirrors in order, then the registry itself', async () => {
  write('ca.pem', 'certificate of an authority');
  write(
    'quay.io/hosts.toml',
    `server = "https://quay.example"
     [host."http://one:5000"]
       capabilities = ["resolve"]
       dial_timeout = "1500ms"
     [host."https://two/path"]
       capabilities = ["pull", "resolve", "push"]
       skip_verify = true
       ca = "../ca.pem"
       [host."https://two/path".header]
         x-key = ["a", "b"]
     [host."three/as/is"]
       override_path = true`,
  );
  const [one, two, three, upstream, ...rest] = await endpointsOf('quay.io', [root]);
  expect(rest).toEqual([]);
  expect(one).toMatchObject({
    base: 'http://one:5000/v2',
    capabilities: ['resolve'],
    dialTimeoutMs: 1500,
    isMirror: true,
  });
  expect(two).toMatchObject({
    base: 'https://two/path/v2',
    capabilities: ['pull', 'resolve'],
    headers: { 'x-key': ['a', 'b'] },
  });
  expect(two?.tls).toEqual({
    skipVerify: true,
    authorities: ['certificate of an authority'],
    client: [],
  });
  expect(three?.base).toBe('https://three/as/is');
  expect(upstream).toMatchObject({ base: 'https://quay.example/v2', isMirror: false });
});

it('endpointsOf falls back to _default, which keeps the registry of the name', async () => {
  write('_default/hosts.toml', '[host."https://cache"]');
  expect(await bases('ghcr.io')).toEqual(['https://cache/v2', 'https://ghcr.io/v2']);
});

it('endpointsOf reads certificates that lie beside each other, as Docker does', async () => {
  write('reg:5000/ca.crt', 'authority');
  write('reg:5000/me.cert', 'certificate');
  write('reg:5000/me.key', 'key');
  const [endpoint] = await endpointsOf('reg:5000', [root]);
  const client = [{ certificate: 'certificate', key: 'key' }];
  expect(endpoint?.tls).toEqual({ skipVerify: false, authorities: ['authority'], client });
});

it.each([
  ['capabilitys = ["pull"]', 'key "capabilitys": unknown key'],
  ['[host."https://x"]\nskip-verify = true', 'key "host.https://x.skip-verify": unknown key'],
  ['skip_verify = "yes"', 'key "skip_verify"'],
  ['dial_timeout = "soon"', 'key "dial_timeout"'],
  ['server = "ftp://x"', 'neither http nor https'],
  ['ca = "missing.pem"', 'missing.pem'],
  ['this is not toml', 'TOML'],
])('endpointsOf names the file and the mistake in %s', async (text, mistake) => {
  write('quay.io/hosts.toml', text);
  const error = await endpointsOf('quay.io', [root]).catch((thrown: unknown) => thrown);
  expect(story(error)).toContain(`read "${root}/quay.io/hosts.toml"`);
  expect(story(error)).toContain(mistake);
});
