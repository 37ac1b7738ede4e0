import { Fault } from '#errors/fault.ts';
import type { Reference } from '#image/reference.ts';

export type Password = { readonly username: string; readonly password: string };
/** An OAuth2 refresh token, which the registry's token server changes into others. */
export type IdentityToken = { readonly identityToken: string };

/** What a registry is shown for one pull; never stored, never logged. */
export type Credentials = (Password | IdentityToken) & {
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

/** Docker's configuration files have URLs where other ones have hosts. */
function hostIn(address: string | undefined): string | undefined {
  if (!address) return undefined;
  const url = address.includes('://') ? address : `https://${address}`;
  if (!URL.canParse(url))
    throw new Fault('invalid-argument', 'malformed server address of credentials');
  return new URL(url).host;
}

function sameHost(a: string, b: string): boolean {
  return a === b || (dockerHosts.includes(a) && dockerHosts.includes(b));
}
