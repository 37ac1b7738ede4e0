import { Fault } from '#errors/fault.ts';
import type { Reference } from '#image/reference.ts';

export type Password = { readonly username: string; readonly password: string };
/** An OAuth2 refresh token, which the registry's token server changes into others. */
export type IdentityToken = { readonly identityToken: string };
/** What a registry is shown. */
export type Secret = Password | IdentityToken;

/** What a registry is shown for one pull; never stored, never logged. */
export type Credentials = Secret & {
  /** The host that they are for. Absent or empty: the registry that the reference names. */
  readonly serverAddress?: string | undefined;
};

const dockerHosts = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

/**
 * The credentials, if they may be shown to the server at `url`, which was asked for an image of
 * `reference`: a mirror sees only those that were given for it.
 */
export function credentialsFor(
  url: string,
  reference: Reference,
  credentials: Credentials | undefined,
): Credentials | undefined {
  const meant = hostIn(credentials?.serverAddress) ?? reference.host;
  return sameHost(meant, new URL(url).host) ? credentials : undefined;
}

/** The name and password in `user:password`, as base64; throws `invalid-argument` on anything else. */
export function decodePassword(base64: string): Password {
  const [, username, password] =
    /^([^:]+):(.*)$/s.exec(String(Buffer.from(base64, 'base64'))) ?? [];
  if (username === undefined || password === undefined)
    throw new Fault('invalid-argument', 'malformed credentials: not "user:password" in base64');
  // Docker's own tools once filled their buffers up with zeros.
  return { username, password: password.replace(/\0+$/, '') };
}

/** Docker's configuration files have URLs where other ones have hosts. */
function hostIn(address: string | undefined): string | undefined {
  if (!address) return undefined;
  const url = address.includes('://') ? address : `https://${address}`;
  if (!URL.canParse(url))
    throw new Fault('invalid-argument', 'malformed server address of credentials');
  return new URL(url).host;
}

/** Docker's registry goes by several names. */
export function sameHost(a: string, b: string): boolean {
  return a === b || (dockerHosts.includes(a) && dockerHosts.includes(b));
}
