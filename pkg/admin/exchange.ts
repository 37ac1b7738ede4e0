import type { IncomingMessage, ServerResponse } from 'node:http';
import * as v from 'valibot';
import { Fault } from '#errors/fault.ts';
import type { AdminDeps } from './deps.ts';

/** A request and its answer. */
export type Exchange = {
  readonly request: IncomingMessage;
  readonly query: URLSearchParams;
  readonly response: ServerResponse;
  /** Aborted when the caller has gone, or the daemon stops. */
  readonly signal: AbortSignal;
};

/** Answers one kind of request; or throws, before it has begun to. */
export type Route = (deps: AdminDeps, exchange: Exchange) => Promise<void> | void;

const maxJsonBytes = 64 * 1024;

/** Reads a body that must look as `schema` says. */
export async function readJson<Output>(
  request: IncomingMessage,
  schema: v.GenericSchema<unknown, Output>,
): Promise<Output> {
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > maxJsonBytes) throw new Fault('invalid-argument', 'the body is too large');
  }
  try {
    return v.parse(schema, JSON.parse(text));
  } catch (cause) {
    throw new Fault('invalid-argument', 'read the body', { cause });
  }
}

/** A parameter of the query that must be there. */
export function requiredParameter(query: URLSearchParams, key: string): string {
  const value = query.get(key) ?? '';
  if (value === '') throw new Fault('invalid-argument', `the parameter "${key}" is missing`);
  return value;
}

export function sendJson(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(value)}\n`);
}
