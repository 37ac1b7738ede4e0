import type { ExecRequest, ExecResponse } from '#api/cri/v1/types.ts';
import { Fault } from '#errors/fault.ts';
import { runningContainer } from '#runtime/container/exec-process.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';
import { wantedStreams } from '#server/wanted-streams.ts';

/** Grants a session; its command is run when the client comes. */
export function exec({ engine, streaming }: ServerDeps, request: ExecRequest): ExecResponse {
  const container = runningContainer(engine, required(request.containerId, 'container_id'));
  const { cmd: command } = request;
  if (command.length === 0) throw new Fault('invalid-argument', 'cmd is missing');
  const session = { containerId: container.id, command, ...wantedStreams(request) };
  return { url: streaming.urlFor({ kind: 'exec', ...session }) };
}
