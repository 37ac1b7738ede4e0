import type { StopPodSandboxRequest, StopPodSandboxResponse } from '#api/cri/v1/types.ts';
import { stopSandbox } from '#runtime/sandbox/stop.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';

export async function stopPodSandbox(
  { engine }: ServerDeps,
  request: StopPodSandboxRequest,
): Promise<StopPodSandboxResponse> {
  await stopSandbox(engine, required(request.podSandboxId, 'pod_sandbox_id'));
  return {};
}
