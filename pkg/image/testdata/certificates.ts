import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Files in PEM form: a certificate and its key. */
export type Certificate = { readonly certificate: string; readonly key: string };

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Makes `<name>.pem` and `<name>.key` in `directory`: an authority that signs others. */
export function makeAuthority(directory: string, name: string): Certificate {
  const made = filesOf(directory, name);
  openssl('req', '-x509', ...newKey, '-subj', `/CN=${name}`, '-days', '2', ...outputOf(made));
  return made;
}

/** Makes a certificate for 127.0.0.1, of a server or of a client, that an authority has signed. */
export function makeCertificate(
  directory: string,
  name: string,
  authority: Certificate,
): Certificate {
  const made = filesOf(directory, name);
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
  const signer = ['-CA', authority.certificate, '-CAkey', authority.key];
  openssl('req', '-x509', ...newKey, ...subject, ...signer, '-days', '2', ...outputOf(made));
  return made;
}

function filesOf(directory: string, name: string): Certificate {
  return { certificate: join(directory, `${name}.pem`), key: join(directory, `${name}.key`) };
}

function outputOf({ certificate, key }: Certificate): string[] {
  return ['-keyout', key, '-out', certificate];
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
