import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, inject } from 'vitest';
import { startDaemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import { startRegistry } from './harness/registry.ts';

const { storage } = inject('registry');
const repository = 'busybox:latest';

/** User `gantry` with the password `secret`, in bcrypt. */
const htpasswd = 'gantry:$2b$05$21.kQ7zAqdWwM1qPkrjdDO9UiscV7u6UPSM88ulIbFC.eXAkbMTka\n';
const username = 'gantry';

describe('a registry that asks who is there', () => {
  test('gives nothing to a stranger, and says so', async ({ daemon: { cri } }) => {
    await using registry = await startRegistry({ storage, htpasswd });
    const image = { image: `${registry.host}/${repository}` };
    await expect(cri.pullImage({ image })).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringContaining(registry.host),
    });
    const auth = { username, password: 'wrong' };
    await expect(cri.pullImage({ image, auth })).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.not.stringContaining('wrong'),
    });
  });

  test('gives images to those who know the password', async ({ daemon: { cri } }) => {
    await using registry = await startRegistry({ storage, htpasswd });
    const image = { image: `${registry.host}/${repository}` };
    await cri.pullImage({ image, auth: { username, password: 'secret' } });
    const auth = Buffer.from(`${username}:secret`).toString('base64');
    await cri.pullImage({ image, auth: { auth } });
  });

  test('does not get credentials that are meant for another one', async ({ daemon: { cri } }) => {
    await using registry = await startRegistry({ storage, htpasswd });
    const image = { image: `${registry.host}/${repository}` };
    const auth = { username, password: 'secret', serverAddress: 'https://registry.example' };
    await expect(cri.pullImage({ image, auth })).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
    });
  });

  test('is asked again for an image that is there already', async ({ daemon: { cri } }) => {
    await using registry = await startRegistry({ storage, htpasswd });
    const image = { image: `${registry.host}/${repository}` };
    await cri.pullImage({ image, auth: { username, password: 'secret' } });
    await expect(cri.pullImage({ image })).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
  });
});

/** A certificate for 127.0.0.1 that nobody signed but itself, and its key. */
function selfSigned(directory: string): { readonly certificate: string; readonly key: string } {
  const certificate = join(directory, 'registry.crt');
  const key = join(directory, 'registry.key');
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2'];
  const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', [...request, ...names, '-keyout', key, '-out', certificate], {
    stdio: 'ignore',
  });
  return { certificate, key };
}

describe('certs_dirs', () => {
  test('make the certificate of a registry trusted, and nothing else does', async ({ daemon }) => {
    const { directory } = daemon.place;
    const tls = selfSigned(directory);
    await using registry = await startRegistry({ storage, tls });
    const certs = join(directory, 'certs.d', registry.host);
    mkdirSync(certs, { recursive: true });
    copyFileSync(tls.certificate, join(certs, 'ca.crt'));
    const server = `[host."https://${registry.host}"]\n`;
    await using trusting = await startDaemon({
      extraConfig: `[image]\ncerts_dirs = ["${join(directory, 'certs.d')}"]\n`,
    });

    const image = { image: `${registry.host}/${repository}` };
    writeFileSync(join(certs, 'hosts.toml'), server);
    await expect(trusting.cri.pullImage({ image })).rejects.toMatchObject({
      details: expect.stringMatching(/certificate/i),
    });
    writeFileSync(join(certs, 'hosts.toml'), `${server}ca = "ca.crt"\n`);
    await trusting.cri.pullImage({ image });
  });

  test('name mirrors, which are asked in place of the registry', async ({ daemon: { place } }) => {
    const certs = join(place.directory, 'mirrors.d');
    await using daemon = await startDaemon({
      extraConfig: `[image]\ncerts_dirs = ["${certs}"]\n`,
    });
    mkdirSync(join(certs, 'registry.example'), { recursive: true });
    writeFileSync(
      join(certs, 'registry.example', 'hosts.toml'),
      `server = "https://registry.example"\n[host."http://${inject('registry').host}"]\ncapabilities = ["pull", "resolve"]\n`,
    );
    const reference = `registry.example/${repository}`;
    await daemon.cri.pullImage({ image: { image: reference } });
    const { image } = await daemon.cri.imageStatus({ image: { image: reference } });
    expect(image?.repoTags).toEqual([reference]);
  });
});

describe('auth_files', () => {
  test('open a registry to pulls that bring no credentials', async ({ daemon: { place } }) => {
    await using registry = await startRegistry({ storage, htpasswd });
    const file = join(place.directory, 'auth.json');
    await using daemon = await startDaemon({ extraConfig: `[image]\nauth_files = ["${file}"]\n` });
    const image = { image: `${registry.host}/${repository}` };
    await expect(daemon.cri.pullImage({ image })).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
    });
    const auth = Buffer.from(`${username}:secret`).toString('base64');
    writeFileSync(file, JSON.stringify({ auths: { [`https://${registry.host}/v1/`]: { auth } } }));
    await daemon.cri.pullImage({ image });
    const wrong = { username, password: 'wrong' };
    await expect(daemon.cri.pullImage({ image, auth: wrong })).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
    });
  });
});

describe('credentials of a pull', () => {
  test('may come as a registry token, which means nothing', async ({ daemon: { cri } }) => {
    await using registry = await startRegistry({ storage, htpasswd });
    const image = { image: `${registry.host}/${repository}` };
    await expect(cri.pullImage({ image, auth: { registryToken: 'token' } })).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
    });
  });

  test('are refused when they are malformed', async ({ daemon: { cri } }) => {
    const image = { image: `${inject('registry').host}/${repository}` };
    await expect(cri.pullImage({ image, auth: { auth: 'bm90aGluZw==' } })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.not.stringContaining('bm90'),
    });
  });
});

describe('pinned', () => {
  test('marks the images that kubelet is to keep', async () => {
    await using daemon = await startDaemon({
      extraConfig: '[image]\npinned = ["*/busybox:*"]\n',
    });
    const image = { image: `${inject('registry').host}/${repository}` };
    await daemon.cri.pullImage({ image });
    expect((await daemon.cri.imageStatus({ image })).image?.pinned).toBe(true);
    expect((await daemon.cri.listImages({})).images.map(({ pinned }) => pinned)).toEqual([true]);
  });

  test('marks nothing by default', async ({ daemon: { cri } }) => {
    const image = { image: `${inject('registry').host}/${repository}` };
    await cri.pullImage({ image });
    expect((await cri.imageStatus({ image })).image?.pinned).toBe(false);
  });
});
