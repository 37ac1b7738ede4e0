import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const program = fileURLToPath(new URL('./whoami.ts', import.meta.url));

export type Protocol = 'tcp' | 'udp';

/** Where to listen: a port of all addresses, or of one. */
type Place = number | readonly [port: number, host: string];

/** Runs the server in a pinned network namespace until it is disposed of. */
export async function serveWhoami(
  netnsPath: string,
  protocol: Protocol,
  place: Place,
): Promise<AsyncDisposable & { readonly pid: number | undefined }> {
  const [port, host] = typeof place === 'number' ? [place, '::'] : place;
  const [command, ...args] = inside(netnsPath, 'serve', protocol, String(port), host);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  return {
    pid: child.pid,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/**
 * The address under which a server at `host` sees somebody in the namespace; `none` without answer.
 * The client's own port is any, unless one is given.
 */
export async function askWhoami(
  netnsPath: string,
  protocol: Protocol,
  [host, port, ownPort = 0]: readonly [host: string, port: number, ownPort?: number],
): Promise<string> {
  const [command, ...args] = inside(netnsPath, 'ask', protocol, host, `${port}`, `${ownPort}`);
  const { stdout } = await promisify(execFile)(command, args);
  return stdout.trim();
}

function inside(netnsPath: string, ...args: readonly string[]): [string, ...string[]] {
  return ['nsenter', `--net=${netnsPath}`, '--', process.execPath, program, ...args];
}
