import { once } from 'node:events';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { isErrno } from '#errors/fault.ts';
import { ExitError } from './command.ts';

export type AdminRequest = {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  /** Parameters of the query. */
  readonly query?: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Sent as JSON, or as it is. */
  readonly body?: object;
  readonly stream?: Readable;
};

/** Asks the daemon; every method throws an ExitError with the daemon's words when it refuses. */
export type AdminClient = {
  /** The answer, unread. */
  open(request: AdminRequest): Promise<IncomingMessage>;
  /** An answer of one JSON object, whose form is the caller's to know. */
  ask<Answer>(request: AdminRequest): Promise<Answer>;
  /** An answer of one JSON object a line. */
  lines<Line>(request: AdminRequest): AsyncGenerator<Line, void>;
};

const answerTimeoutMs = 10_000;

/** A client of the daemon whose admin socket is at `address`. Connects for each request. */
export function adminClient(address: string): AdminClient {
  return {
    open: (request) => explaining(address, () => send(address, request)),
    ask: (request) =>
      explaining(address, async () =>
        checked(JSON.parse(await text(await send(address, request, answerWithin(request))))),
      ),
    lines: async function* (request) {
      const response = await explaining(address, () => send(address, request));
      try {
        const lines = createInterface(response)[Symbol.asyncIterator]();
        for (;;) {
          const { done, value } = await explaining(address, () => lines.next());
          if (done) return;
          yield checked(JSON.parse(value));
        }
      } finally {
        // The daemon goes on for as long as somebody listens.
        response.destroy();
      }
    },
  };
}

/** What only asks is answered at once by a daemon that is well. */
function answerWithin({ method }: AdminRequest): AbortSignal | undefined {
  return method === 'GET' ? AbortSignal.timeout(answerTimeoutMs) : undefined;
}

async function send(
  address: string,
  wanted: AdminRequest,
  signal?: AbortSignal,
): Promise<IncomingMessage> {
  const { method, path, query = {}, body, stream } = wanted;
  const parameters = Object.entries(query).flatMap(([key, value = []]) =>
    [value].flat().map((each): [string, string] => [key, each]),
  );
  const request = httpRequest({
    socketPath: address,
    method,
    path: `${path}?${new URLSearchParams(parameters).toString()}`,
    ...(signal && { signal }),
  });
  // Before the answer once() tells of it; after it, nobody needs the rest of what we send.
  request.on('error', () => {});
  stream?.on('error', (error) => request.destroy(error));
  if (stream) stream.pipe(request);
  else request.end(body && JSON.stringify(body));
  const response: IncomingMessage = (await once(request, 'response'))[0];
  if ((response.statusCode ?? 0) >= 400) checked(JSON.parse(await text(response)));
  return response;
}

/** The answer, unless it is the daemon's refusal. */
function checked<Answer>(
  answer: Answer & { readonly error?: { readonly message: string } },
): Answer {
  if (answer.error !== undefined) throw new ExitError('failed', answer.error.message);
  return answer;
}

/** Says in words when the daemon cannot be reached, or is gone before the end. */
async function explaining<Result>(address: string, talk: () => Promise<Result>): Promise<Result> {
  try {
    return await talk();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ECONNREFUSED')) {
      const advice = 'is it running, and is --address right?';
      throw new ExitError('unreachable', `no gantryd answers at "${address}": ${advice}`);
    }
    if (isErrno(error, 'EACCES'))
      throw new ExitError('unreachable', `"${address}" is for root alone`);
    if (isErrno(error, 'ECONNRESET', 'EPIPE')) {
      throw new ExitError('unreachable', `gantryd went away before it was done`, { cause: error });
    }
    if (error instanceof Error && error.name === 'AbortError') {
      const sentence = `gantryd has not answered at "${address}" for ${answerTimeoutMs / 1000} s`;
      throw new ExitError('unreachable', sentence);
    }
    throw error;
  }
}
