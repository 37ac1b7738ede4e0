import type { RemovePodSandboxRequest, RemovePodSandboxResponse } from '#api/cri/v1/types.ts';
import { removeSandbox } from '#runtime/sandbox/remove.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';

export async function removePodSandbox(
  { engine }: ServerDeps,
  request: RemovePodSandboxRequest,
): Promise<RemovePodSandboxResponse> {
  await removeSandbox(engine, required(request.podSandboxId, 'pod_sandbox_id'));
  return {};
}
