import type { handleUnaryCall } from '@grpc/grpc-js';
import { release } from './encoded-list.ts';
import { answerCall, type CallDeps } from './call.ts';

/** Answers one RPC. The signal is aborted when the caller has gone or its deadline has passed. */
export type Handler<Request, Response> = (
  request: Request,
  signal: AbortSignal,
) => Promise<Partial<Response>> | Partial<Response>;

/** Wraps a handler for gRPC. */
export function unary<Request extends object, Response extends object>(
  rpc: string,
  deps: CallDeps,
  handle: Handler<Request, Response>,
): handleUnaryCall<Request, Partial<Response>> {
  return (call, reply) => {
    const gone = new AbortController();
    call.on('cancelled', () => gone.abort());
    const { request, metadata } = call;
    void answerCall(rpc, deps, {
      request,
      metadata,
      work: () => handle(request, gone.signal),
      done: (response) => {
        reply(null, response);
        // It was copied into a frame; whatever of it is left would wait for the garbage collector.
        if (Buffer.isBuffer(response)) release(response);
      },
      failed: reply,
    });
  };
}
