import type { ReopenContainerLogRequest, ReopenContainerLogResponse } from '#api/cri/v1/types.ts';
import { reopenContainerLog as reopen } from '#runtime/container/reopen-log.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';

export async function reopenContainerLog(
  { engine }: ServerDeps,
  request: ReopenContainerLogRequest,
): Promise<ReopenContainerLogResponse> {
  await reopen(engine, required(request.containerId, 'container_id'));
  return {};
}
