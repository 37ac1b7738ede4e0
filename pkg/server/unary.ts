import { randomBytes } from 'node:crypto';
import { type handleUnaryCall, type ServerUnaryCall, status } from '@grpc/grpc-js';
import { faultCode } from '#errors/fault.ts';
import { type Log, withRequest } from '#log/log.ts';
import { toServiceError } from './status.ts';

/** Answers one RPC. The signal is aborted when the caller has gone or its deadline has passed. */
export type Handler<Request, Response> = (
  request: Request,
  signal: AbortSignal,
) => Promise<Partial<Response>> | Partial<Response>;

/** Asked every few seconds by kubelet: their lines would drown the others. */
const frequent = /^(List|Version|Status|.*Status$|.*Stats$|ImageFsInfo|RuntimeConfig|ExecSync)/;

/** Wraps a handler for gRPC: a request id, cancellation in, status and one log line out. */
export function unary<Request, Response>(
  rpc: string,
  log: Log,
  handle: Handler<Request, Response>,
): handleUnaryCall<Request, Partial<Response>> {
  const level = frequent.test(rpc) ? 'debug' : 'info';
  return (call, reply) => {
    const signal = cancellationOf(call);
    const requestId = randomBytes(6).toString('hex');
    void withRequest({ requestId, rpc }, async () => {
      const startedAt = performance.now();
      const durationMs = (): number => Math.round((performance.now() - startedAt) * 100) / 100;
      try {
        const response = await handle(call.request, signal);
        log[level]({ durationMs: durationMs() }, 'done');
        reply(null, response);
      } catch (error) {
        const failure = toServiceError(error);
        const fields = { durationMs: durationMs(), code: status[failure.code] };
        log[faultCode(error) === 'not-found' ? level : 'error'](fields, failure.details);
        reply(failure);
      }
    });
  };
}

function cancellationOf(call: ServerUnaryCall<unknown, unknown>): AbortSignal {
  const cancelled = new AbortController();
  call.on('cancelled', () => cancelled.abort());
  return cancelled.signal;
}
