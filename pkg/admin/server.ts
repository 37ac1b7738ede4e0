import { once } from 'node:events';
import { createServer } from 'node:http';
import { bindPrivately } from '#linux/unix-socket.ts';
import { OpenSessions } from '#streaming/open-sessions.ts';
import { answer } from './answer.ts';
import type { AdminDeps } from './deps.ts';
import { serveUpgrade } from './upgrade.ts';

/** Serves requests about this node, for its operator, on a unix socket until closed. */
export type AdminServer = {
  /** Tells what is under way to stop, and waits for that, but no longer than `graceMs`. */
  close(graceMs: number): Promise<void>;
};

/** A command of exec is a part of the request's head. */
const maxCommandBytes = 256 * 1024;

/** Begins to listen at `path`, for root alone. Nothing of it depends on gRPC. */
export async function serveAdmin(deps: AdminDeps, path: string): Promise<AdminServer> {
  const closing = new AbortController();
  // An archive may take its time to arrive.
  const options = { requestTimeout: 0, maxHeaderSize: maxCommandBytes };
  const server = createServer(options, (request, response) => {
    // Else the connection would be kept for the next request.
    response.on('finish', () => closing.signal.aborted && request.socket.end());
    void answer(deps, { request, response }, closing.signal);
  });
  const sessions = new OpenSessions(deps.log);
  server.on('upgrade', (request, socket, head) => {
    if (head.length > 0) socket.unshift(head);
    const [resource = ''] = (request.url ?? '').split('?');
    sessions.add(socket, resource, serveUpgrade(deps, { request, socket }));
  });
  await bindPrivately(path, () => once(server.listen(path), 'listening'));
  return {
    close: async (graceMs) => {
      closing.abort();
      const closed = once(server, 'close');
      server.close();
      const timer = setTimeout(() => server.closeAllConnections(), graceMs);
      await Promise.all([closed, sessions.close(graceMs)]);
      clearTimeout(timer);
    },
  };
}
