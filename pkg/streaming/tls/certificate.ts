import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { Fault } from '#errors/fault.ts';
import { type KeyPair, selfSign } from './self-signed.ts';

/** Whence the certificate comes. Paths are absolute. */
export type TlsOptions =
  | { readonly kind: 'files'; readonly certFile: string; readonly keyFile: string }
  /** Made by us; `publishAt` gets it, so that clients can know it. */
  | { readonly kind: 'generated'; readonly publishAt: string };

export type Certificate = {
  readonly current: () => KeyPair;
  /** Looks whether there is a newer one. Throws when that cannot be used; the current one stays. */
  readonly renew: () => void;
  readonly onChange: (listener: (pair: KeyPair) => void) => void;
};

const lifetimeMs = 365 * 24 * 60 * 60 * 1000;

/** A key with its certificate, for the hosts that clients know the server by. */
export function openCertificate(options: TlsOptions, hosts: readonly string[]): Certificate {
  const source = options.kind === 'files' ? filesOf(options) : generated(options, hosts);
  let version = source.version();
  let pair = source.load();
  const listeners: ((pair: KeyPair) => void)[] = [];
  return {
    current: () => pair,
    onChange: (listener) => void listeners.push(listener),
    renew: () => {
      const found = source.version();
      if (found === version) return;
      pair = source.load();
      version = found;
      for (const listener of listeners) listener(pair);
    },
  };
}

/** `version` changes with what `load` returns. */
type Source = { readonly version: () => string; readonly load: () => KeyPair };

function filesOf({ certFile, keyFile }: TlsOptions & { readonly kind: 'files' }): Source {
  const files = [certFile, keyFile];
  return {
    version: () => files.map(fileVersion).join(' '),
    load: () => {
      try {
        const [cert = '', key = ''] = files.map((file) => readFileSync(file, 'utf8'));
        // While one of the two is replaced they do not belong together.
        createSecureContext({ cert, key });
        return { cert, key };
      } catch (cause) {
        const act = `use the certificate "${certFile}" with the key "${keyFile}"`;
        throw new Fault('failed-precondition', act, { cause });
      }
    },
  };
}

/** A file that is gone comes back, and then differs. */
function fileVersion(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? 'none' : `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
}

/** A new one in the middle of the life of the last. */
function generated(
  { publishAt }: TlsOptions & { readonly kind: 'generated' },
  hosts: readonly string[],
): Source {
  return {
    version: () => `${Math.floor((Date.now() * 2) / lifetimeMs)}`,
    load: () => {
      const pair = selfSign([...new Set([...hosts, 'localhost', '127.0.0.1', '::1'])], {
        validFrom: new Date(),
        lifetimeMs,
      });
      writeFileSync(publishAt, new X509Certificate(pair.cert).toString());
      return pair;
    },
  };
}
