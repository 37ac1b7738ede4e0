import type { AttachRequest, AttachResponse } from '#api/cri/v1/types.ts';
import { attachableContainer } from '#runtime/container/attach.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';
import { wantedStreams } from '#server/wanted-streams.ts';

/** Grants a session; the client is attached when it comes. */
export function attach({ engine, streaming }: ServerDeps, request: AttachRequest): AttachResponse {
  const container = attachableContainer(engine, required(request.containerId, 'container_id'));
  const session = { containerId: container.id, ...wantedStreams(request) };
  return { url: streaming.urlFor({ kind: 'attach', ...session }) };
}
