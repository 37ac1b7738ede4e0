import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openCertificate } from './certificate.ts';
import { type KeyPair, selfSign } from './self-signed.ts';

const dayMs = 24 * 60 * 60 * 1000;
const validity = { validFrom: new Date(), lifetimeMs: dayMs };

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-certificate-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(pair: Partial<KeyPair>): void {
  for (const [name, text] of Object.entries(pair)) {
    // As programs that renew certificates do.
    writeFileSync(join(folder, 'new'), text);
    renameSync(join(folder, 'new'), join(folder, name));
  }
}

function files() {
  const [certFile, keyFile] = [join(folder, 'cert'), join(folder, 'key')];
  return { kind: 'files', certFile, keyFile } as const;
}

it('signs for names and for addresses of both kinds', () => {
  const hosts = ['node-1.example', '10.0.0.1', '::1', 'fd00::12:1'];
  const { cert } = selfSign(hosts, validity);
  const certificate = new X509Certificate(cert);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(certificate.checkHost('node-1.example')).toBe('node-1.example');
  for (const address of hosts.slice(1)) expect(certificate.checkIP(address)).toBe(address);
  expect(certificate.checkIP('10.0.0.2')).toBeUndefined();
  expect(certificate.validToDate.getTime() - Date.now()).toBeLessThanOrEqual(dayMs);
});

it('takes up files that have changed, when they belong together', () => {
  const [old, next] = [selfSign(['a'], validity), selfSign(['b'], validity)];
  write(old);
  const certificate = openCertificate(files(), []);
  const changes: KeyPair[] = [];
  certificate.onChange((pair) => changes.push(pair));
  certificate.renew();
  write({ cert: next.cert });
  expect(() => certificate.renew()).toThrow('use the certificate');
  expect(certificate.current()).toEqual(old);
  write({ key: next.key });
  certificate.renew();
  expect(certificate.current()).toEqual(next);
  expect(changes).toEqual([next]);
});

it('keeps its certificate while the files are gone', () => {
  const old = selfSign(['a'], validity);
  write(old);
  const certificate = openCertificate(files(), []);
  rmSync(join(folder, 'key'));
  expect(() => certificate.renew()).toThrow('use the certificate');
  expect(certificate.current()).toEqual(old);
});

it('names both files when they cannot be used', () => {
  write({ cert: 'none', key: 'none' });
  expect(() => openCertificate(files(), [])).toThrow(/"\/.*cert" with the key "\/.*key"/);
});

it('publishes what it made, for the host and the loopback', () => {
  const publishAt = join(folder, 'published');
  const certificate = openCertificate({ kind: 'generated', publishAt }, ['10.0.0.1']);
  const published = new X509Certificate(readFileSync(publishAt));
  expect(published.raw).toEqual(new X509Certificate(certificate.current().cert).raw);
  for (const address of ['10.0.0.1', '127.0.0.1', '::1']) {
    expect(published.checkIP(address)).toBe(address);
  }
});
