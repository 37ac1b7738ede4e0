import type { RemoveContainerRequest, RemoveContainerResponse } from '#api/cri/v1/types.ts';
import { removeContainer as remove } from '#runtime/container/remove.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';

export async function removeContainer(
  { engine }: ServerDeps,
  request: RemoveContainerRequest,
): Promise<RemoveContainerResponse> {
  await remove(engine, required(request.containerId, 'container_id'));
  return {};
}
