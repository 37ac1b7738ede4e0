import type { CreateContainerRequest, CreateContainerResponse } from '#api/cri/v1/types.ts';
import { createContainer as create } from '#runtime/container/create.ts';
import { containerConfig } from '#server/container-config.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';

/** Goes on when the caller has gone: kubelet asks again, and gets what was made. */
export async function createContainer(
  { engine }: ServerDeps,
  request: CreateContainerRequest,
): Promise<CreateContainerResponse> {
  const sandbox = engine.sandboxes.get(required(request.podSandboxId, 'pod_sandbox_id'));
  const config = containerConfig(request.config, sandbox.config);
  return { containerId: await create(engine, sandbox.id, config) };
}
