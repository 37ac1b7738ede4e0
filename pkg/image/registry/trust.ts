import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { isErrno } from '#errors/fault.ts';

/** Where distributions keep the certificates that an administrator added to, too. */
const bundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** The system's trusted certificates, in PEM form; Node's own where the system has none. */
export function systemAuthorities(): readonly string[] {
  for (const path of bundles) {
    try {
      return [readFileSync(path, 'utf8')];
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    }
  }
  return rootCertificates;
}
