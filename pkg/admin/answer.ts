import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Fault } from '#errors/fault.ts';
import { withRequest } from '#log/log.ts';
import type { AdminDeps } from './deps.ts';
import { sendJson } from './exchange.ts';
import { hasLines, jsonLines } from './json-lines.ts';
import { routes } from './routes.ts';
import { toHttpError } from './status.ts';

type Incoming = { readonly request: IncomingMessage; readonly response: ServerResponse };

/** Answers one request: a request id, cancellation in, the answer or its error and one log line out. */
export async function answer(
  deps: AdminDeps,
  { request, response }: Incoming,
  closing: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  // The close of an answer that is complete is nobody's going.
  response.on('close', () => response.writableFinished || gone.abort());
  const signal = AbortSignal.any([gone.signal, closing]);
  const startedAt = performance.now();
  const [path = '', query] = (request.url ?? '').split('?');
  const rpc = `${request.method} ${path}`;
  const requestId = randomBytes(6).toString('hex');
  const fields = () => ({ durationMs: Math.round((performance.now() - startedAt) * 100) / 100 });
  await withRequest({ requestId, rpc }, async () => {
    try {
      const exchange = { request, response, query: new URLSearchParams(query), signal };
      const route = routeOf(rpc);
      const work = async (): Promise<void> => route(deps, exchange);
      await (isOperation(rpc) ? deps.tracer.operation({ id: requestId, name: rpc }, work) : work());
      deps.log[request.method === 'GET' ? 'debug' : 'info'](fields(), 'done');
    } catch (error) {
      const { code, message } = toHttpError(error).error;
      const isExpected = signal.aborted || code === 'not-found';
      deps.log[isExpected ? 'debug' : 'error']({ ...fields(), code }, message);
      refuse(response, error);
    }
  });
}

/** What only asks is at once done; what is lent is its caller's for as long as that likes. */
function isOperation(rpc: string): boolean {
  return !rpc.startsWith('GET ') && rpc !== 'POST /v1/debug/rootfs';
}

function routeOf(rpc: string) {
  const route = Object.hasOwn(routes, rpc) ? routes[rpc] : undefined;
  if (route !== undefined) return route;
  const known = Object.keys(routes).join(', ');
  throw new Fault('not-found', `there is no "${rpc}"; there is ${known}`);
}

/** An archive that has begun cannot end in words: the connection breaks off, so that it is noticed. */
function refuse(response: ServerResponse, thrown: unknown): void {
  const { status, error } = toHttpError(thrown);
  if (!response.headersSent) sendJson(response, status, { error });
  else if (hasLines(response)) jsonLines(response).end({ error });
  else response.destroy();
}
