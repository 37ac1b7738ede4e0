import { runningContainer } from '#runtime/container/exec-process.ts';
import { serveSession } from '#streaming/session.ts';
import type { StreamRequest } from '#streaming/sessions.ts';
import { refuse, type Upgrade } from '#streaming/upgrade.ts';
import type { AdminDeps } from './deps.ts';
import { requiredParameter } from './exchange.ts';
import { toHttpError } from './status.ts';

/**
 * Serves a session of a command, or of a container's own process, on the connection of its request:
 * `GET /v1/exec?container=…&command=…&tty=true&stdin=true`, `GET /v1/attach?container=…`, in the
 * protocols that kubectl speaks. No token is needed where only root can connect.
 */
export async function serveUpgrade(deps: AdminDeps, upgrade: Upgrade): Promise<void> {
  const [path = '', query] = (upgrade.request.url ?? '').split('?');
  upgrade.socket.on('error', () => {});
  try {
    const request = streamRequest(deps, path, new URLSearchParams(query));
    await serveSession({ request, targets: deps.targets, onAgreed: () => {} }, upgrade);
  } catch (error) {
    const { status, error: failure } = toHttpError(error);
    deps.log.debug({ path, code: failure.code }, failure.message);
    if (!upgrade.socket.writableEnded) refuse(upgrade.socket, status, failure.message);
  }
}

function streamRequest(deps: AdminDeps, path: string, query: URLSearchParams): StreamRequest {
  const { id: containerId } = runningContainer(deps.engine, requiredParameter(query, 'container'));
  const hasTerminal = query.get('tty') === 'true';
  const stdin = query.get('stdin') === 'true';
  const session = { containerId, hasTerminal, stdin, stdout: true, stderr: !hasTerminal };
  if (path === '/v1/attach') return { kind: 'attach', ...session };
  requiredParameter(query, 'command');
  return { kind: 'exec', command: query.getAll('command'), ...session };
}
