import { readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { describe, Fault, faultCode } from '#errors/fault.ts';
import type { TerminalSize } from '#linux/pty.ts';
import type { Engine } from '#runtime/engine.ts';
import { resizeTerminal } from '#runtime/monitor.ts';
import { openMonitoredStdin } from '#runtime/monitored-stdin.ts';
import { rejectWhenAborted } from '#runtime/wait.ts';
import type { Attached } from './attach-pump.ts';
import { type ClientStreams, feed } from './client-streams.ts';
import type { Container } from './container.ts';

/** More sizes than a client's terminal can have in the time that the monitor takes for one. */
const maxSizes = 16;

/**
 * The container to whose process a client can attach. `failed-precondition` when it is not running.
 */
export function attachableContainer(engine: Engine, idOrPrefix: string): Container {
  const container = engine.containers.get(idOrPrefix);
  const { id, state } = container;
  if (state.kind === 'running') return container;
  throw new Fault('failed-precondition', `attach to container "${id}": it is ${state.kind}`);
}

/**
 * Connects a client to the streams of a container's own process, from now on, and returns when that
 * has ended and the client's writing ends have got all of its output. When the signal is aborted, the
 * client is detached and this throws; the container does not notice, but for its stdin where that ends
 * with its first client. Input for a container that has no stdin, or none any more, is dropped.
 */
export async function attach(
  engine: Engine,
  idOrPrefix: string,
  { streams, signal }: { readonly streams: ClientStreams; readonly signal: AbortSignal },
): Promise<void> {
  const container = attachableContainer(engine, idOrPrefix);
  const act = `attach to container "${container.id}"`;
  using client = await connect(engine, container, streams);
  using aborted = rejectWhenAborted(
    signal,
    async () => new Fault('cancelled', `${act}: its client has gone`),
  );
  feed(streams.stdin, client.stdin);
  const outputs = [passOn(client.stdout, streams.stdout), passOn(client.stderr, streams.stderr)];
  streams.onResize(sizeTeller(engine, container));
  const over = client.left.then(async (why) => {
    if (why !== 'stalled') return Promise.all(outputs);
    throw new Fault(
      'resource-exhausted',
      `${act}: its client did not read, so that the container had to wait`,
    );
  });
  await Promise.race([over, aborted]);
}

async function connect(
  engine: Engine,
  { id, config }: Container,
  { stdin, stdout, stderr }: ClientStreams,
): Promise<Attached> {
  const { folder, monitorPidFile } = engine.layout.container(id);
  const wantsStdin = config.stdin && stdin !== undefined;
  try {
    const monitorPid = Number(readFileSync(monitorPidFile, 'utf8'));
    const input = wantsStdin ? openMonitoredStdin(monitorPid, config) : undefined;
    return await engine.attachPump.attach({
      containerId: id,
      folder,
      stdinOnce: config.stdin && config.stdinOnce,
      stdin: input !== undefined,
      stdout: stdout !== undefined,
      stderr: stderr !== undefined,
      input: input?.pipeFd,
    });
  } catch (cause) {
    throw new Fault(faultCode(cause), `attach to container "${id}": connect to its monitor`, {
      cause,
    });
  }
}

/** Resolves when the client has been given all that there was. */
async function passOn(source: Readable | undefined, client: Writable | undefined): Promise<void> {
  if (source === undefined || client === undefined) return;
  source.pipe(client).on('error', () => {});
  await finished(source).catch(() => {});
}

/**
 * Passes sizes on one by one: clients send a wrong one and then the right one to have all drawn anew.
 */
function sizeTeller(engine: Engine, { id, config }: Container): (size: TerminalSize) => void {
  const { folder } = engine.layout.container(id);
  let sizes: TerminalSize[] = [];
  const tellAll = async (): Promise<void> => {
    using _held = await engine.locks.hold(`terminal ${id}`);
    for (let size = sizes[0]; size !== undefined; size = sizes[0]) {
      await resizeTerminal(folder, size);
      sizes.shift();
    }
  };
  return (size) => {
    if (!config.tty) return;
    const isTelling = sizes.length > 0;
    sizes = [...sizes, size].slice(-maxSizes);
    if (isTelling) return;
    tellAll().catch((error: unknown) => {
      sizes = [];
      engine.log.debug({ containerId: id, error: describe(error) }, 'a terminal keeps its size');
    });
  };
}
