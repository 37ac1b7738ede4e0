import type { StopContainerRequest, StopContainerResponse } from '#api/cri/v1/types.ts';
import { stopContainer as stop } from '#runtime/container/stop.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';

/** A negative time-out counts as none. */
export async function stopContainer(
  { engine }: ServerDeps,
  request: StopContainerRequest,
  signal: AbortSignal,
): Promise<StopContainerResponse> {
  const graceMs = Math.max(0, request.timeout) * 1000;
  await stop(engine, required(request.containerId, 'container_id'), { graceMs, signal });
  return {};
}
