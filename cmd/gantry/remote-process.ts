import { WebSocket } from 'ws';
import { answerTimeoutMs } from './admin-client.ts';
import { ExitError } from './command.ts';
import { LocalStreams } from './local-streams.ts';
import { endWithReader } from './output.ts';

export type RemoteOptions = {
  /** The daemon's admin socket. */
  readonly address: string;
  /** With the query. */
  readonly path: string;
  readonly stdin: boolean;
  readonly hasTerminal: boolean;
};

// The channels of Kubernetes' remotecommand protocol, version 5.
const channel = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4, close: 255 } as const;

/** More than this is not sent ahead of a daemon that does not read. */
const maxUnsentBytes = 1024 * 1024;

/**
 * Connects our standard streams, and our terminal if `hasTerminal`, with a process of a container
 * until that ends. Returns its exit code.
 */
export async function runRemotely(options: RemoteOptions): Promise<number> {
  const { address, path, hasTerminal, stdin } = options;
  // The slash keeps a path apart from the socket's: ws+unix:<socket>:<path>.
  const socket = new WebSocket(`ws+unix:${address}:${path}`, 'v5.channel.k8s.io', {
    perMessageDeflate: false,
    handshakeTimeout: answerTimeoutMs,
  });
  const ended = Promise.withResolvers<number>();
  socket.on('unexpected-response', (_request, response) => {
    response.setEncoding('utf8').once('data', (body: string) => {
      ended.reject(new ExitError('failed', body.trim()));
    });
  });
  socket.on('error', (cause) => {
    ended.reject(new ExitError('unreachable', `talk to gantryd at "${address}"`, { cause }));
  });
  socket.on('close', () => {
    ended.reject(new ExitError('unreachable', 'gantryd went away before the command had ended'));
  });
  await Promise.race([opened(socket), ended.promise]);
  using local = new LocalStreams({ hasTerminal, stdin });
  // The command ends with us.
  endWithReader();
  local.onResize(({ columns, rows }) => {
    const size = JSON.stringify({ Width: columns, Height: rows });
    socket.send(framed(channel.resize, Buffer.from(size)));
  });
  if (stdin) sendInput(socket, local);
  socket.on('message', (message: Buffer) => {
    const [number, rest] = [message[0], message.subarray(1)];
    if (number === channel.status) ended.resolve(Promise.try(exitCodeOf, rest.toString()));
    if (number === channel.stdout) local.write('stdout', rest, socket);
    if (number === channel.stderr) local.write('stderr', rest, socket);
  });
  try {
    return await ended.promise;
  } finally {
    socket.close();
  }
}

function opened(socket: WebSocket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once('open', resolve);
  return promise;
}

function sendInput(socket: WebSocket, local: LocalStreams): void {
  local.onInput(
    (bytes) => {
      socket.send(framed(channel.stdin, bytes), () => local.resumeInput());
      if (socket.bufferedAmount > maxUnsentBytes) local.pauseInput();
    },
    () => socket.send(framed(channel.close, Buffer.of(channel.stdin))),
  );
}

function framed(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.of(number), bytes]);
}

type Status = {
  readonly status?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly details?: {
    readonly causes?: readonly { readonly reason?: string; readonly message?: string }[];
  };
};

/** Of a metav1.Status: that of the command, or the reason why there is none. */
function exitCodeOf(text: string): number {
  const { status, message, reason, details }: Status = JSON.parse(text);
  if (status === 'Success') return 0;
  const cause = details?.causes?.find((each) => each.reason === 'ExitCode');
  if (reason === 'NonZeroExitCode' && cause !== undefined) return Number(cause.message);
  throw new ExitError('failed', message ?? text);
}
