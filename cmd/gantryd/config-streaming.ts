import { isIP } from 'node:net';
import { isAbsolute, join } from 'node:path';
import * as v from 'valibot';
import type { TlsOptions } from '#streaming/tls/certificate.ts';
import { listenAddress } from './config-listen.ts';

const absolute = v.pipe(v.string(), v.check(isAbsolute, 'must be an absolute path'));

/** The part `streaming` of the configuration. */
export const streamingSchema = v.pipe(
  v.strictObject({
    listen: v.optional(listenAddress, '127.0.0.1:0'),
    advertise_address: v.optional(
      v.pipe(
        v.string(),
        v.check(
          (host) => isIP(host) !== 0 || /^[\w.-]+$/.test(host),
          'must be a host name or an address, without a port',
        ),
      ),
    ),
    tls: v.optional(v.boolean(), false),
    tls_cert_file: v.optional(absolute),
    tls_key_file: v.optional(absolute),
    idle_timeout_s: v.optional(
      v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(86_400)),
      4 * 60 * 60,
    ),
  }),
  v.check(
    ({ tls_cert_file, tls_key_file }) =>
      (tls_cert_file === undefined) === (tls_key_file === undefined),
    'tls_cert_file and tls_key_file come together',
  ),
  v.check(
    ({ tls, tls_cert_file }) => tls || tls_cert_file === undefined,
    'tls_cert_file needs tls = true',
  ),
);

export type StreamingConfig = v.InferOutput<typeof streamingSchema>;

/** Absent without TLS. A certificate that is made is told in `state`. */
export function tlsOptions(config: StreamingConfig, state: string): TlsOptions | undefined {
  const { tls, tls_cert_file: certFile, tls_key_file: keyFile } = config;
  if (!tls) return undefined;
  return certFile === undefined || keyFile === undefined
    ? { kind: 'generated', publishAt: join(state, 'streaming.crt') }
    : { kind: 'files', certFile, keyFile };
}
