import { Fault } from '#errors/fault.ts';

const sentences: readonly (readonly [RegExp, string])[] = [
  [/^(ENOTFOUND|EAI_\w+)$/, 'its name cannot be resolved (DNS)'],
  [/^ECONNREFUSED$/, 'it refuses connections'],
  [/^(EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL)$/, 'there is no route to it'],
  [/^(ECONNRESET|EPIPE|HPE_\w+|ERR_STREAM_PREMATURE_CLOSE)$/, 'it broke off the connection'],
  [
    /^(EPROTO|ERR_SSL_WRONG_VERSION_NUMBER)$/,
    'it does not speak TLS; for plain http, give an http:// URL in hosts.toml',
  ],
  [
    /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_)/,
    'its TLS certificate is not accepted',
  ],
];

/** Says in words why a server cannot be talked to. */
export function unreachable(url: string, cause: unknown): Fault {
  const matching = sentences.find(([codes]) => isErrnoMatching(cause, codes));
  const sentence = matching?.[1] ?? 'it does not answer';
  return new Fault('unavailable', `registry "${new URL(url).host}": ${sentence}`, { cause });
}

function isErrnoMatching(cause: unknown, codes: RegExp): boolean {
  return (
    cause instanceof Error &&
    'code' in cause &&
    typeof cause.code === 'string' &&
    codes.test(cause.code)
  );
}
