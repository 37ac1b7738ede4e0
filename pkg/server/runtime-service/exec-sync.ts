import type { ExecSyncRequest, ExecSyncResponse } from '#api/cri/v1/types.ts';
import { Fault } from '#errors/fault.ts';
import { execSync as exec } from '#runtime/container/exec-sync.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';

/** An exit code other than 0 is an answer, not an error. */
export async function execSync(
  { engine }: ServerDeps,
  request: ExecSyncRequest,
  signal: AbortSignal,
): Promise<ExecSyncResponse> {
  const id = required(request.containerId, 'container_id');
  if (request.cmd.length === 0) throw new Fault('invalid-argument', 'cmd is missing');
  const timeoutMs = Math.max(0, request.timeout) * 1000;
  return exec(engine, id, { command: request.cmd, timeoutMs, signal });
}
