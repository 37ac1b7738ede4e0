import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { type Outcome, statusText } from './exec-status.ts';
import type {
  AttachRequest,
  ExecRequest,
  ProcessStreams,
  Targets,
  WantedStreams,
} from './sessions.ts';
import { followSizes } from './terminal-sizes.ts';

/** A process that a client is to talk to: one that is run for it, or one that runs already. */
export type Command = {
  readonly wanted: WantedStreams;
  /** Resolves with the exit code. The signal is aborted when the client has gone. */
  readonly run: (streams: ProcessStreams, signal: AbortSignal) => Promise<number>;
};

/** What a request for the streams of a process comes to. An attach that ends well has exit code 0. */
export function commandOf(targets: Targets, request: ExecRequest | AttachRequest): Command {
  const run: Command['run'] =
    request.kind === 'exec'
      ? (...session) => targets.exec(request, ...session)
      : (...session) => targets.attach(request, ...session).then(() => 0);
  return { wanted: request, run };
}

/** What goes over a connection, by the names that SPDY has for it. */
export type Channels = {
  /** Says how it ended. */
  readonly error: Writable;
  readonly stdin?: Readable;
  readonly stdout?: Writable;
  readonly stderr?: Writable;
  readonly resize?: Readable;
};

export type ChannelName = keyof Channels;

/** The channels of a session. Sizes are told since version 3 of the protocol. */
export function channelNames(wanted: WantedStreams, version: number): ChannelName[] {
  const streams = (['stdin', 'stdout', 'stderr'] as const).filter((name) => wanted[name]);
  return ['error', ...streams, ...(wanted.hasTerminal && version >= 3 ? ['resize' as const] : [])];
}

export type Conversation = {
  readonly run: Command['run'];
  readonly version: number;
  readonly signal: AbortSignal;
};

/**
 * Runs a command on its channels, and resolves when all that it said has been sent, and how it ended.
 * Rejects when it went wrong and there is no client any more to be told.
 */
export async function converse(
  { error, stdin, stdout, stderr, resize }: Channels,
  { run, version, signal }: Conversation,
): Promise<void> {
  const onResize = resize === undefined ? () => {} : followSizes(resize);
  const outcome = await outcomeOf(run({ stdin, stdout, stderr, onResize }, signal));
  for (const stream of [stdout, stderr]) stream?.end();
  error.end(statusText(outcome, version));
  const written = [error, stdout, stderr].filter((stream) => stream !== undefined).map(isWritten);
  await Promise.allSettled(written);
  // Else it has been told.
  if (outcome.kind === 'failed' && signal.aborted) throw outcome.cause;
}

async function outcomeOf(running: Promise<number>): Promise<Outcome> {
  try {
    return { kind: 'exited', exitCode: await running };
  } catch (cause) {
    return { kind: 'failed', cause };
  }
}

async function isWritten(stream: Writable): Promise<void> {
  await finished(stream, { readable: false });
}
