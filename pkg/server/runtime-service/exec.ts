import type { ExecRequest, ExecResponse } from '#api/cri/v1/types.ts';
import { Fault } from '#errors/fault.ts';
import { runningContainer } from '#runtime/container/exec-process.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';

/** Grants a session; its command is run when the client comes. */
export function exec({ engine, streaming }: ServerDeps, request: ExecRequest): ExecResponse {
  const container = runningContainer(engine, required(request.containerId, 'container_id'));
  const { cmd: command, tty: hasTerminal, stdin, stdout, stderr } = request;
  if (command.length === 0) throw new Fault('invalid-argument', 'cmd is missing');
  if (!stdin && !stdout && !stderr) {
    throw new Fault('invalid-argument', 'one of stdin, stdout and stderr must be asked for');
  }
  if (hasTerminal && stderr) {
    throw new Fault(
      'invalid-argument',
      'tty and stderr exclude each other: a terminal has one output',
    );
  }
  const containerId = container.id;
  const session = { containerId, command, hasTerminal, stdin, stdout, stderr };
  return { url: streaming.urlFor({ kind: 'exec', ...session }) };
}
