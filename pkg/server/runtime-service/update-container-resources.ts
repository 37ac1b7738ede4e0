import type {
  UpdateContainerResourcesRequest,
  UpdateContainerResourcesResponse,
} from '#api/cri/v1/types.ts';
import { updateContainer } from '#runtime/container/update.ts';
import { containerResources } from '#server/container-resources.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';

export async function updateContainerResources(
  { engine }: ServerDeps,
  request: UpdateContainerResourcesRequest,
): Promise<UpdateContainerResourcesResponse> {
  const id = required(request.containerId, 'container_id');
  const { oomScoreAdj: _fixed, ...changes } = containerResources(required(request.linux, 'linux'));
  await updateContainer(engine, id, changes);
  return {};
}
