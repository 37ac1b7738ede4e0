import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { describe, Fault } from '#errors/fault.ts';
import type { Log } from '#log/log.ts';
import type { Metrics } from './metrics.ts';

export type MetricsListener = { close(): Promise<void> };

/** Begins to serve `GET /metrics` at an address such as `127.0.0.1:9479`; nothing else is there. */
export async function serveMetrics(
  { metrics, log }: { readonly metrics: Metrics; readonly log: Log },
  listen: string,
): Promise<MetricsListener> {
  const server = createServer((request, response) => {
    answer(metrics, request, response).catch((error: unknown) => {
      log.error({ error }, 'make the page of metrics');
      response.writeHead(500, { 'content-type': 'text/plain' }).end(`${describe(error)}\n`);
    });
  });
  const { host, port } = parseListen(listen);
  try {
    await once(server.listen(port, host), 'listening');
  } catch (cause) {
    throw new Fault('failed-precondition', `listen for metrics at "${listen}"`, { cause });
  }
  return {
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  metrics: Metrics,
  { url = '', method }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (method !== 'GET' || url.split('?')[0] !== '/metrics') {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('there is /metrics\n');
    return;
  }
  const { contentType, text } = await metrics.page();
  response.writeHead(200, { 'content-type': contentType }).end(text);
}

function parseListen(listen: string): { readonly host: string; readonly port: number } {
  const colon = listen.lastIndexOf(':');
  const host = listen.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  return { host, port: Number(listen.slice(colon + 1)) };
}
