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

/** What only asks is answered at once by a daemon that is well. */
export const answerTimeoutMs = 10_000;
/** One that has just not answered is not waited for as long again. */
const nextTimeoutMs = 1_000;

/** A client of the daemon whose admin socket is at `address`. Connects for each request. */
export function adminClient(address: string, patienceMs = answerTimeoutMs): AdminClient {
  let timeoutMs = patienceMs;
  const explained = async <Result>(talk: () => Promise<Result>): Promise<Result> => {
    try {
      return await talk();
    } catch (error) {
      throw explanation(error, { address, timeoutMs });
    }
  };
  const sendInTime = async (request: AdminRequest): Promise<IncomingMessage> => {
    try {
      const response = await send(address, request, AbortSignal.timeout(timeoutMs));
      timeoutMs = patienceMs;
      return response;
    } catch (error) {
      if (!isAbort(error)) throw error;
      const told = explanation(error, { address, timeoutMs });
      timeoutMs = Math.min(nextTimeoutMs, patienceMs);
      throw told;
    }
  };
  /** Before what may take as long as it likes: whether there is anybody to do it. */
  const sendToWell = async (request: AdminRequest): Promise<IncomingMessage> => {
    (await sendInTime({ method: 'GET', path: '/v1/node' })).resume();
    return send(address, request);
  };
  return {
    open: (request) => explained(() => sendToWell(request)),
    ask: (request) =>
      explained(async () => {
        const response = await (request.method === 'GET' ? sendInTime : sendToWell)(request);
        return checked(JSON.parse(await text(response)));
      }),
    lines: async function* (request) {
      const response = await explained(() => sendToWell(request));
      try {
        const lines = createInterface(response)[Symbol.asyncIterator]();
        for (;;) {
          const { done, value } = await explained(() => lines.next());
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
  // Standard input that nobody takes any more would keep this process alive until its writer has ended.
  request.once('close', () => stream?.destroy());
  if (stream) stream.pipe(request);
  else request.end(body && JSON.stringify(body));
  const response: IncomingMessage = (await once(request, 'response'))[0];
  if ((response.statusCode ?? 0) < 400) return response;
  checked(JSON.parse(await text(response)));
  throw new SyntaxError('a refusal without a reason');
}

/** The answer, unless it is the daemon's refusal. */
function checked<Answer>(
  answer: Answer & { readonly error?: { readonly message: string } },
): Answer {
  if (answer.error !== undefined) throw new ExitError('failed', answer.error.message);
  return answer;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

type Asked = { readonly address: string; readonly timeoutMs: number };

/** Says in words when the daemon cannot be reached, or is gone before the end. */
function explanation(error: unknown, { address, timeoutMs }: Asked): unknown {
  if (isErrno(error, 'ENOENT', 'ECONNREFUSED')) {
    const advice = 'is it running, and is --address right?';
    return new ExitError('unreachable', `no gantryd answers at "${address}": ${advice}`);
  }
  // Its records are for root alone as well.
  if (isErrno(error, 'EACCES')) return new ExitError('failed', `"${address}" is for root alone`);
  if (isErrno(error, 'ECONNRESET', 'EPIPE')) {
    return new ExitError('unreachable', `gantryd went away before it was done`, { cause: error });
  }
  if (isAbort(error)) {
    const sentence = `gantryd has not answered at "${address}" for ${timeoutMs / 1000} s`;
    return new ExitError('unreachable', sentence);
  }
  if (error instanceof SyntaxError || isParseError(error)) {
    const sentence = `what answers at "${address}" is not the admin socket of gantryd`;
    return new ExitError('failed', sentence, { cause: error });
  }
  return error;
}

/** Of what is no HTTP, as gRPC is none: https://nodejs.org/api/errors.html#hpe_ */
function isParseError(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    error.code.startsWith('HPE_')
  );
}
