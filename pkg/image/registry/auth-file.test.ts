import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describe as story } from '#errors/fault.ts';
import { nodeSecretFor, readAuthFiles } from './auth-file.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-auth-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function write(content: object | string, name = 'config.json'): string {
  const path = join(directory, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

/** The name by which `host` would know us. */
async function user(path: string, host: string, repository = 'a/b'): Promise<string | undefined> {
  const secret = nodeSecretFor(await readAuthFiles([path]), host, repository);
  return secret && ('username' in secret ? secret.username : secret.identityToken);
}

const as = (name: string) => ({ auth: Buffer.from(`${name}:secret`).toString('base64') });

it.each([
  ['quay.io', 'quay.io', true],
  ['https://quay.io', 'quay.io', true],
  ['http://quay.io/', 'quay.io', true],
  ['https://quay.io/v2/', 'quay.io', true],
  ['https://index.docker.io/v1/', 'registry-1.docker.io', true],
  ['docker.io', 'docker.io', true],
  ['quay.io:443', 'quay.io', false],
  ['quay.io', 'quay.io:5000', false],
  ['quay.io', 'evil-quay.io', false],
  ['quay.io', 'quay.io.evil', false],
  ['*.dkr.ecr.*.amazonaws.com', '1.dkr.ecr.eu.amazonaws.com', true],
  ['*.example', 'a.b.example', false],
  ['*.example', 'axexample', false],
  ['quay.io/a', 'quay.io', true],
  ['quay.io/a/b', 'quay.io', true],
  ['quay.io/a/b/c', 'quay.io', false],
  ['quay.io/a/bb', 'quay.io', false],
  ['quay.io/b', 'quay.io', false],
])('an entry for %s is shown to %s: %s', async (key, host, isShown) => {
  expect(await user(write({ auths: { [key]: as('ann') } }), host)).toBe(
    isShown ? 'ann' : undefined,
  );
});

it('the entry for the longest part of the path wins, then that of the first file', async () => {
  const first = write({ auths: { 'quay.io': as('all'), 'quay.io/a': as('team') } });
  const second = write({ auths: { 'quay.io/a': as('late'), 'ghcr.io': as('other') } }, 'second');
  const known = await readAuthFiles([join(directory, 'missing'), first, second]);
  const names = [
    ['quay.io', 'a/b'],
    ['quay.io', 'c'],
    ['ghcr.io', 'c'],
  ].map(([host = '', repository = '']) => nodeSecretFor(known, host, repository));
  const password = 'secret';
  expect(names).toEqual([
    { username: 'team', password },
    { username: 'all', password },
    { username: 'other', password },
  ]);
});

it('reads all forms of secrets, and leaves out what a helper would have to say', async () => {
  const path = write({
    auths: {
      plain: { username: 'ann', password: 'a:b' },
      token: { auth: 'PHRva2VuPjo=', identitytoken: 'refresh' },
      padded: { auth: Buffer.from('ann:secret\0\0').toString('base64') },
      helped: {},
    },
    credsStore: 'desktop',
    credHelpers: { 'gcr.io': 'gcloud' },
    HttpHeaders: { 'User-Agent': 'x' },
  });
  const known = await readAuthFiles([path]);
  expect(known.map(({ host, secret }) => [host, secret])).toEqual([
    ['plain', { username: 'ann', password: 'a:b' }],
    ['token', { identityToken: 'refresh' }],
    ['padded', { username: 'ann', password: 'secret' }],
  ]);
});

it.each([
  ['what is not JSON', '{"auths": s3cret', 'it is not JSON'],
  ['what has another form', { auths: 's3cret' }, 'auths: expected Object'],
  ['what is no password', { auths: { x: { auth: 'czNjcmV0' } } }, 'not "user:password"'],
])('names the file on %s, but no secret', async (_, content, reason) => {
  const path = write(content);
  const error = await readAuthFiles([path]).catch((thrown: unknown) => thrown);
  expect(story(error)).toContain(`read credentials "${path}"`);
  expect(story(error)).toContain(reason);
  expect(story(error)).not.toContain('s3cret');
});

it('knows nothing without files', async () => {
  expect(await readAuthFiles([])).toEqual([]);
  expect(nodeSecretFor([], 'quay.io', 'a')).toBeUndefined();
});
