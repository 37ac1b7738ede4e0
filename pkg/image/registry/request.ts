import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  request as httpRequest,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { createSecureContext } from 'node:tls';
import { faultCode } from '#errors/fault.ts';
import type { Endpoint, EndpointTls } from './endpoint.ts';
import { unreachable } from './unreachable.ts';
import { systemAuthorities } from './trust.ts';

/** How one server is reached. Connections are kept for the next request, for a while. */
export type Connections = {
  readonly http: HttpAgent;
  /** Made when it is needed: reading all trusted certificates takes its time. */
  readonly https: () => HttpsAgent;
  readonly dialTimeoutMs: number;
  /** A server that sends next to nothing for so long is given up. */
  readonly idleTimeoutMs: number;
};

export type HttpRequest = {
  readonly method?: 'GET' | 'HEAD' | 'POST';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string;
};

export type ConnectOptions = {
  readonly idleTimeoutMs: number;
  /** `HTTPS_PROXY` and its kin; none of our own environment is looked at. */
  readonly proxyEnvironment: Readonly<Record<string, string>>;
};

export function connectionsTo(endpoint: Endpoint, options: ConnectOptions): Connections {
  const { idleTimeoutMs, proxyEnvironment } = options;
  const shared = { keepAlive: true, timeout: idleTimeoutMs, proxyEnv: proxyEnvironment };
  const http = new HttpAgent(shared);
  let agent: HttpsAgent | undefined;
  const https = () => (agent ??= new HttpsAgent({ ...shared, ...tlsOptions(endpoint.tls) }));
  return { http, https, dialTimeoutMs: endpoint.dialTimeoutMs, idleTimeoutMs };
}

/** One context for all connections, as each one made has to read the certificates again. */
function tlsOptions({ skipVerify, authorities, client }: EndpointTls) {
  const secureContext = createSecureContext({
    ca: [...systemAuthorities(), ...authorities],
    cert: client.map(({ certificate }) => certificate),
    key: client.map(({ key }) => key),
  });
  return { secureContext, rejectUnauthorized: !skipVerify };
}

const maxRedirects = 10;

/**
 * Sends a request and follows redirects; returns the answer, whatever its status. Another host than
 * the one asked first sees neither credentials nor configured headers.
 * Throws `unavailable`, naming the host and telling why it cannot be talked to.
 */
export async function send(
  connections: Connections,
  wanted: HttpRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  let request = wanted;
  for (let redirects = 0; ; redirects++) {
    const response = await sendOnce(connections, request, signal);
    const target = redirectOf(response, request);
    if (target === undefined || redirects === maxRedirects) return response;
    discard(response);
    request = { ...request, url: target.href, headers: headersFor(target, request) };
  }
}

const redirectStatuses = [301, 302, 303, 307, 308];
const publicHeaders = ['accept', 'range'];

function redirectOf(response: IncomingMessage, { url, method }: HttpRequest): URL | undefined {
  const { location } = response.headers;
  const isRedirect = redirectStatuses.includes(response.statusCode ?? 0) && method !== 'POST';
  return isRedirect && location !== undefined && URL.canParse(location, url)
    ? new URL(location, url)
    : undefined;
}

function headersFor(target: URL, { url, headers = {} }: HttpRequest): HttpRequest['headers'] & {} {
  if (target.origin === new URL(url).origin) return headers;
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => publicHeaders.includes(name.toLowerCase())),
  );
}

async function sendOnce(
  connections: Connections,
  { method = 'GET', url, headers, body }: HttpRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const isTls = url.startsWith('https:');
  const options = { method, headers: { 'user-agent': 'gantry', ...headers }, signal };
  const request = isTls
    ? httpsRequest(url, { ...options, agent: connections.https() })
    : httpRequest(url, { ...options, agent: connections.http });
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  using _dialing = limitDialing(request, connections.dialTimeoutMs);
  expectProgress(request, connections.idleTimeoutMs);
  request.on('response', resolve).on('error', reject).end(body);
  try {
    const response = await promise;
    // Node leaves it empty in answers; those who read them say whom they read from.
    response.url = url;
    return response;
  } catch (cause) {
    throw signal.aborted ? cause : unreachable(url, cause);
  }
}

function limitDialing(request: ClientRequest, timeoutMs: number): Disposable {
  const giveUp = () => request.destroy(new Error(`no connection within ${timeoutMs} ms`));
  const timer = setTimeout(giveUp, timeoutMs);
  const stop = () => clearTimeout(timer);
  request.once('socket', (socket) => {
    if (socket.connecting) socket.once('connect', stop);
    else stop();
  });
  return { [Symbol.dispose]: stop };
}

/** Much less than the slowest line brings; a server that sends a byte now and then would go on for ever. */
const leastBytesPerSecond = 1024;

/** Ends an exchange during which less than that arrives within `timeoutMs`, from the beginning on. */
function expectProgress(request: ClientRequest, timeoutMs: number): void {
  let subject: ClientRequest | IncomingMessage = request;
  let receivedBefore = 0;
  const look = setInterval(() => {
    const received = request.socket?.bytesRead ?? 0;
    const bytes = received - receivedBefore;
    receivedBefore = received;
    if (bytes >= (leastBytesPerSecond * timeoutMs) / 1000) return;
    const amount = bytes === 0 ? 'nothing' : `no more than ${bytes} bytes`;
    subject.destroy(new Error(`${amount} heard for ${timeoutMs} ms`));
  }, timeoutMs);
  request.once('socket', ({ bytesRead }) => (receivedBefore = bytesRead));
  request.once('response', (response) => (subject = response));
  request.once('close', () => clearInterval(look));
}

/** The body of an answer, as it comes. Throws `unavailable`, naming the host, when it breaks off. */
export async function* bodyOf(response: IncomingMessage): AsyncGenerator<Buffer, void> {
  try {
    yield* response as AsyncIterable<Buffer>;
  } catch (cause) {
    throw faultCode(cause) === 'cancelled' ? cause : unreachable(response.url ?? '', cause);
  }
}

/** Lets go of an answer that nobody reads. Its connection is kept only if little is left to come. */
export function discard(response: IncomingMessage): void {
  const { 'content-length': length = '' } = response.headers;
  if (/^\d{1,4}$/.test(length)) response.resume();
  else response.destroy();
}

/** Reads a small answer whole; throws when it is larger than allowed, or breaks off. */
export async function readBody(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of bodyOf(response)) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > maxBytes) throw new Error(`the answer is larger than ${maxBytes} bytes`);
  }
  return Buffer.concat(chunks);
}
