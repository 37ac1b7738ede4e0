/** One server that can be asked for a registry's images: the registry itself or a mirror of it. */
export type Endpoint = {
  /** The API's base, such as `https://registry-1.docker.io/v2`. */
  readonly base: string;
  /** Mirrors are told which registry's image is meant. */
  readonly isMirror: boolean;
  readonly capabilities: readonly Capability[];
  readonly tls: EndpointTls;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly dialTimeoutMs: number;
};

/** `resolve`: may say what a tag stands for; `pull`: may give what a digest names. */
export type Capability = 'pull' | 'resolve';

export type EndpointTls = {
  readonly skipVerify: boolean;
  /** Certificates in PEM form that are trusted besides the system's. */
  readonly authorities: readonly string[];
  /** Our own certificates and their keys, in PEM form. */
  readonly client: readonly { readonly certificate: string; readonly key: string }[];
};

export const plainTls: EndpointTls = { skipVerify: false, authorities: [], client: [] };
export const defaultDialTimeoutMs = 30_000;

/** The registry itself, as it is reached when nothing is configured. */
export function upstreamOf(host: string): Endpoint {
  return {
    base: `${originOf(host)}/v2`,
    isMirror: false,
    capabilities: ['pull', 'resolve'],
    tls: plainTls,
    headers: {},
    dialTimeoutMs: defaultDialTimeoutMs,
  };
}

/** As in containerd, a registry on this machine is taken to speak plain http, unless on port 443. */
function originOf(host: string): string {
  if (host === 'docker.io') return 'https://registry-1.docker.io';
  const isLocal = /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/.test(host) && !host.endsWith(':443');
  return `${isLocal ? 'http' : 'https'}://${host}`;
}
