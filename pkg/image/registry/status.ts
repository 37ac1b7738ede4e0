import type { IncomingMessage } from 'node:http';
import * as v from 'valibot';
import { Fault, type FaultCode } from '#errors/fault.ts';
import { parseRetryAfter, PassingFault } from './patience.ts';
import { readBody } from './request.ts';

const maxErrorBytes = 65_536;
const maxShownCharacters = 200;
const errorAnswer = v.object({
  errors: v.array(v.object({ code: v.optional(v.string()), message: v.optional(v.string()) })),
});

/** Throws what a status other than success means, with what the server says about it. */
export async function checkStatus(response: IncomingMessage, server: string): Promise<void> {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return;
  const reason = await reasonIn(response);
  const retryAfterMs = parseRetryAfter(response.headers['retry-after']);
  const when =
    retryAfterMs === undefined ? '' : `, retry after ${Math.ceil(retryAfterMs / 1000)} s`;
  const [code, sentence] = meaningOf(status);
  const message = `${server}: ${sentence} (status ${status}${when})${reason}`;
  if (code !== 'unavailable') throw new Fault(code, message);
  throw new PassingFault(code, message, { retryAfterMs });
}

function meaningOf(status: number): [FaultCode, string] {
  if (status === 401)
    return ['unauthenticated', 'it does not accept the credentials, or wants some'];
  if (status === 403) return ['permission-denied', 'it denies access'];
  if (status === 404) return ['not-found', 'it has no such image'];
  if (status === 408) return ['unavailable', 'it waited too long for the request'];
  if (status === 416) return ['failed-precondition', 'it has less than the image says'];
  if (status === 429) return ['unavailable', 'too many requests'];
  return status < 500
    ? ['failed-precondition', 'it refuses the request']
    : ['unavailable', 'it cannot answer'];
}

async function reasonIn(response: IncomingMessage): Promise<string> {
  try {
    const body = String(await readBody(response, maxErrorBytes));
    const [first] = v.parse(errorAnswer, JSON.parse(body)).errors;
    const text = first?.message ?? first?.code;
    return text === undefined ? '' : `: ${text.slice(0, maxShownCharacters)}`;
  } catch {
    // Many servers explain themselves in HTML; the status has to do.
    return '';
  }
}
