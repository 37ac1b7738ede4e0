import { createServer as createHttpServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { Fault } from '#errors/fault.ts';
import type { Log } from '#log/log.ts';
import { type Certificate, openCertificate, type TlsOptions } from './tls/certificate.ts';

export type ListenOptions = {
  readonly log: Log;
  /** `127.0.0.1:0`: an address and a port, of which 0 is any. */
  readonly listen: string;
  /** The host in the URLs. Absent: the address that is listened at or, if that is any, the loopback. */
  readonly advertise?: string;
  /** Absent: no TLS. */
  readonly tls?: TlsOptions;
};

export type Listener = {
  readonly server: Server;
  /** Where clients reach it, without a path. */
  readonly url: () => string;
};

/** An upgrade is one small request; those who take longer for it mean no good. */
const limits: ServerOptions = {
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  connectionsCheckingInterval: 5_000,
  keepAliveTimeout: 1_000,
  maxHeaderSize: 16 * 1024,
};
const tlsHandshakeTimeoutMs = 10_000;
/** Of which some are sessions, and some on their way to be. */
const maxConnections = 1_500;

/** Listens for HTTP or, with TLS, for HTTPS. A certificate that is renewed is taken up with the next URL. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { host, port } = parseAddress(options.listen);
  const loopback = host.includes(':') ? '::1' : '127.0.0.1';
  const advertised = options.advertise ?? (isAny(host) ? loopback : host);
  const certificate = options.tls && openCertificate(options.tls, [advertised]);
  const server = createServer(certificate);
  server.maxConnections = maxConnections;
  const bound = await bind(server, { host, port });
  const authority = `${advertised.includes(':') ? `[${advertised}]` : advertised}:${bound}`;
  return {
    server,
    url: () => {
      if (certificate !== undefined) renew(certificate, options.log);
      return `${certificate === undefined ? 'http' : 'https'}://${authority}`;
    },
  };
}

function createServer(certificate: Certificate | undefined): Server {
  if (certificate === undefined) return createHttpServer(limits);
  const server = createHttpsServer({
    ...limits,
    ...certificate.current(),
    handshakeTimeout: tlsHandshakeTimeoutMs,
  });
  certificate.onChange((pair) => server.setSecureContext(pair));
  return server;
}

/** Clients are served with the certificate that there was, should the new one not be of use. */
function renew(certificate: Certificate, log: Log): void {
  try {
    certificate.renew();
  } catch (error) {
    log.warn({ error }, 'the certificate for streams is not renewed');
  }
}

type Address = { readonly host: string; readonly port: number };

function parseAddress(address: string): Address {
  const [, host = '', port] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
  return { host, port: Number(port) };
}

/** Whether an address stands for all of the node's. */
function isAny(host: string): boolean {
  return /^[0.:]+$/.test(host);
}

/** Returns the port. */
async function bind(server: Server, { host, port }: Address): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen(port, host, resolve);
  try {
    await promise;
  } catch (cause) {
    const act = `listen at port ${port} of "${host}" for streams`;
    throw new Fault('failed-precondition', act, { cause });
  }
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new TypeError('not a TCP address');
  return bound.port;
}
