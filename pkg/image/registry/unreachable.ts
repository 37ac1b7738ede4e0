import { Fault } from '#errors/fault.ts';
import { PassingFault } from './patience.ts';

const broken = /^(ECONNRESET|EPIPE|ERR_STREAM_PREMATURE_CLOSE)$/;
const sentences: readonly (readonly [RegExp, string])[] = [
  [/^(ENOTFOUND|EAI_\w+)$/, 'its name cannot be resolved (DNS)'],
  [/^ECONNREFUSED$/, 'it refuses connections'],
  [/^(EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL)$/, 'there is no route to it'],
  [broken, 'it broke off the connection'],
  [/^HPE_/, 'it does not speak HTTP as it should'],
  [
    /^(EPROTO|ERR_SSL_WRONG_VERSION_NUMBER)$/,
    'it does not speak TLS; for plain http, give an http:// URL in hosts.toml',
  ],
  [
    /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_)/,
    'its TLS certificate is not accepted',
  ],
];

/** Says in words why a server cannot be talked to. A connection that broke may be the last one to do so. */
export function unreachable(url: string, cause: unknown): Fault {
  const matching = sentences.find(([codes]) => isErrnoMatching(cause, codes));
  const sentence = matching?.[1] ?? 'it does not answer';
  const message = `registry "${new URL(url).host}": ${sentence}`;
  return isErrnoMatching(cause, broken)
    ? new PassingFault('unavailable', message, { cause })
    : new Fault('unavailable', message, { cause });
}

function isErrnoMatching(cause: unknown, codes: RegExp): boolean {
  return (
    cause instanceof Error &&
    'code' in cause &&
    typeof cause.code === 'string' &&
    codes.test(cause.code)
  );
}
