import { randomBytes } from 'node:crypto';
import { type Metadata, status } from '@grpc/grpc-js';
import { type FaultCode, faultCode } from '#errors/fault.ts';
import { type Log, withRequest } from '#log/log.ts';
import { annotate } from '#trace/span.ts';
import { parseTraceparent, type TraceContext } from '#trace/traceparent.ts';
import type { Tracer } from '#trace/tracer.ts';
import { toServiceError } from './status.ts';

/** What every call needs, whatever it does. */
export type CallDeps = { readonly log: Log; readonly tracer: Tracer };

/** A call of a client, unary or not. */
export type Call<Answer> = {
  readonly request: Subject;
  readonly metadata: Metadata;
  readonly work: () => Promise<Answer> | Answer;
  readonly done: (answer: Answer) => void;
  readonly failed: (failure: { readonly code: number; readonly details: string }) => void;
};

/** Asked every few seconds by kubelet: their lines would drown the others. */
const frequent =
  /^(List|Stream|Version|Status|.*Status$|.*Stats$|ImageFsInfo|RuntimeConfig|ExecSync)/;

/** Go on for as long as the client likes: their length says nothing. */
const endless = new Set(['GetContainerEvents']);

/** Nobody's fault. */
const expected = new Set<FaultCode>(['not-found', 'cancelled']);
/** kubelet's probes do so in each of their periods: a command that takes too long, or is not there. */
const expectedOfExec = new Set<FaultCode>(['deadline-exceeded', 'failed-precondition']);

/** What messages name that an operation may be about. */
export type Subject = {
  readonly podSandboxId?: string;
  readonly containerId?: string;
  readonly image?: { readonly image?: string } | null;
};

/** Answers a call: a request id in, status, a span and one log line out. */
export async function answerCall<Answer extends Subject>(
  rpc: string,
  { log, tracer }: CallDeps,
  { request, metadata, work, done, failed }: Call<Answer>,
): Promise<void> {
  const requestId = randomBytes(6).toString('hex');
  const level = frequent.test(rpc) ? 'debug' : 'info';
  const startedAt = performance.now();
  const fields = (answer: Subject) => ({
    ...subjectOf(request),
    ...subjectOf(answer),
    durationMs: Math.round((performance.now() - startedAt) * 100) / 100,
  });
  const operate = async (): Promise<Answer> => {
    annotate(subjectOf(request));
    const answer = await work();
    annotate(subjectOf(answer));
    return answer;
  };
  const context = callerContext(metadata);
  const trace = context === undefined ? {} : { traceId: context.traceId };
  await withRequest({ requestId, rpc, ...trace }, async () => {
    try {
      const beginning = { id: requestId, name: rpc, context };
      const answer = await (endless.has(rpc) ? operate() : tracer.operation(beginning, operate));
      log[level](fields(answer), 'done');
      done(answer);
    } catch (error) {
      const failure = toServiceError(error, actOf(rpc, request));
      const failureLevel = isExpected(rpc, faultCode(error)) ? level : 'error';
      log[failureLevel]({ ...fields({}), code: status[failure.code] }, failure.details);
      failed(failure);
    }
  });
}

/** The ids that a message is about, under the keys by which the whole log names them. */
function subjectOf({ podSandboxId, containerId, image }: Subject): Record<string, string> {
  return {
    ...(podSandboxId ? { sandboxId: podSandboxId } : {}),
    ...(containerId ? { containerId } : {}),
    ...(image?.image ? { image: image.image } : {}),
  };
}

function isExpected(rpc: string, code: FaultCode): boolean {
  return expected.has(code) || (rpc === 'ExecSync' && expectedOfExec.has(code));
}

/** As in `ExecSync of "6f0a…"`. */
function actOf(rpc: string, request: Subject): string {
  const [subject] = Object.values(subjectOf(request));
  return subject === undefined ? rpc : `${rpc} of "${subject}"`;
}

/** The trace that the caller's call is a part of: kubelet sends one when its tracing is configured. */
function callerContext(metadata: Metadata): TraceContext | undefined {
  const [header] = metadata.get('traceparent');
  if (header === undefined) return undefined;
  return parseTraceparent(String(header), metadata.get('tracestate').join(','));
}
