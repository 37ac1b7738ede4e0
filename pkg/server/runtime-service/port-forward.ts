import type { PortForwardRequest, PortForwardResponse } from '#api/cri/v1/types.ts';
import { readySandbox } from '#runtime/sandbox/connect.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';

/** Grants a session. Most clients name ports in it; those in the request are for the others. */
export function portForward(
  { engine, streaming }: ServerDeps,
  request: PortForwardRequest,
): PortForwardResponse {
  const { id } = readySandbox(engine, required(request.podSandboxId, 'pod_sandbox_id'));
  return { url: streaming.urlFor({ kind: 'portforward', sandboxId: id, ports: request.port }) };
}
