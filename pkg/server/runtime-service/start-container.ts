import type { StartContainerRequest, StartContainerResponse } from '#api/cri/v1/types.ts';
import { startContainer as start } from '#runtime/container/start.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';

export async function startContainer(
  { engine }: ServerDeps,
  request: StartContainerRequest,
): Promise<StartContainerResponse> {
  await start(engine, required(request.containerId, 'container_id'));
  return {};
}
