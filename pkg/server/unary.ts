import { randomBytes } from 'node:crypto';
import { type handleUnaryCall, type Metadata, type ServerUnaryCall, status } from '@grpc/grpc-js';
import { faultCode } from '#errors/fault.ts';
import { type Log, withRequest } from '#log/log.ts';
import { annotate } from '#trace/span.ts';
import { parseTraceparent, type TraceContext } from '#trace/traceparent.ts';
import type { Tracer } from '#trace/tracer.ts';
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

/** Wraps a handler for gRPC: a request id, cancellation in, status, a span and one log line out. */
export function unary<Request extends object, Response extends object>(
  rpc: string,
  { log, tracer }: { readonly log: Log; readonly tracer: Tracer },
  handle: Handler<Request, Response>,
): handleUnaryCall<Request, Partial<Response>> {
  const level = frequent.test(rpc) ? 'debug' : 'info';
  return (call, reply) => {
    const signal = cancellationOf(call);
    const requestId = randomBytes(6).toString('hex');
    const beginning = { id: requestId, name: rpc, context: callerContext(call.metadata) };
    void withRequest({ requestId, rpc }, async () => {
      const startedAt = performance.now();
      const fields = (answer: Subject) => ({
        ...subjectOf(call.request),
        ...subjectOf(answer),
        durationMs: Math.round((performance.now() - startedAt) * 100) / 100,
      });
      try {
        const response = await tracer.operation(beginning, async () => {
          annotate(subjectOf(call.request));
          const answer = await handle(call.request, signal);
          annotate(subjectOf(answer));
          return answer;
        });
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
function subjectOf({ podSandboxId, containerId, image }: Subject): Record<string, string> {
  return {
    ...(podSandboxId ? { sandboxId: podSandboxId } : {}),
    ...(containerId ? { containerId } : {}),
    ...(image?.image ? { image: image.image } : {}),
  };
}

/** The trace that the caller's call is a part of: kubelet sends one when its tracing is configured. */
function callerContext(metadata: Metadata): TraceContext | undefined {
  const [header] = metadata.get('traceparent');
  if (header === undefined) return undefined;
  return parseTraceparent(String(header), metadata.get('tracestate').join(','));
}

function cancellationOf(call: ServerUnaryCall<unknown, unknown>): AbortSignal {
  const cancelled = new AbortController();
  call.on('cancelled', () => cancelled.abort());
  return cancelled.signal;
}
