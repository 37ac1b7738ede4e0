import { once } from 'node:events';
import type { handleServerStreamingCall, ServerWritableStream } from '@grpc/grpc-js';
import { Fault } from '#errors/fault.ts';
import { answerCall, type CallDeps } from './call.ts';

/**
 * Answers one RPC by several messages. `stop` is aborted when the caller has gone, its deadline has
 * passed, or the daemon ends; a handler that aborts it with a Fault ends the call with that.
 */
export type StreamHandler<Request, Response> = (
  request: Request,
  stop: AbortController,
) => AsyncIterable<Partial<Response>>;

/** Wraps a handler for gRPC. No more is asked of it than the caller reads. */
export function streaming<Request extends object, Response extends object>(
  rpc: string,
  deps: CallDeps & { readonly closing: AbortSignal },
  handle: StreamHandler<Request, Response>,
): handleServerStreamingCall<Request, Partial<Response>> {
  return (call) => {
    const stop = new AbortController();
    call.on('cancelled', () => stop.abort());
    // Its end must not look as if all had been said.
    const close = (): void => stop.abort(new Fault('cancelled', 'the daemon ends'));
    deps.closing.addEventListener('abort', close);
    const { request, metadata } = call;
    const answered = answerCall(rpc, deps, {
      request,
      metadata,
      work: () => send(call, handle(request, stop), stop.signal),
      done: () => call.end(),
      failed: (failure) => call.emit('error', failure),
    });
    void answered.finally(() => deps.closing.removeEventListener('abort', close));
  };
}

async function send<Response>(
  call: ServerWritableStream<object, Response>,
  messages: AsyncIterable<Response>,
  signal: AbortSignal,
): Promise<object> {
  for await (const message of messages) {
    if (!call.write(message)) await once(call, 'drain', { signal }).catch(refuseUnlessAborted);
    if (signal.aborted) break;
  }
  if (signal.reason instanceof Fault) throw signal.reason;
  return {};
}

function refuseUnlessAborted(error: unknown): void {
  if (!(error instanceof Error) || error.name !== 'AbortError') throw error;
}
