import type {
  UpdatePodSandboxResourcesRequest,
  UpdatePodSandboxResourcesResponse,
} from '#api/cri/v1/types.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';

/** kubelet tells of a resize before it writes the pod's cgroup, which is its own: nothing is left to do. */
export function updatePodSandboxResources(
  { engine }: ServerDeps,
  request: UpdatePodSandboxResourcesRequest,
): UpdatePodSandboxResourcesResponse {
  engine.sandboxes.get(required(request.podSandboxId, 'pod_sandbox_id'));
  return {};
}
