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

type Subject = {
  readonly podSandboxId?: string;
  readonly containerId?: string;
  readonly image?: { readonly image?: string } | null;
};

/** Wraps a handler for gRPC: a request id, cancellation in, status and one log line out. */
export function unary<Request extends object, Response extends object>(
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
      const fields = (answer: Subject) => ({
        ...subjectOf(call.request),
        ...subjectOf(answer),
        durationMs: Math.round((performance.now() - startedAt) * 100) / 100,
      });
      try {
        const response = await handle(call.request, signal);
        log[level](fields(response), 'done');
        reply(null, response);
      } catch (error) {
        const failure = toServiceError(error);
        const failureLevel = faultCode(error) === 'not-found' ? level : 'error';
        log[failureLevel]({ ...fields({}), code: status[failure.code] }, failure.details);
        reply(failure);
      }
    });
  };
}

/** The ids that a message is about, under the keys by which the whole log names them. */
function subjectOf({ podSandboxId, containerId, image }: Subject): object {
  return {
    ...(podSandboxId ? { sandboxId: podSandboxId } : {}),
    ...(containerId ? { containerId } : {}),
    ...(image?.image ? { image: image.image } : {}),
  };
}

function cancellationOf(call: ServerUnaryCall<unknown, unknown>): AbortSignal {
  const cancelled = new AbortController();
  call.on('cancelled', () => cancelled.abort());
  return cancelled.signal;
}
