import type { Duplex } from 'node:stream';
import { type Channels, type Command, converse } from './command.ts';
import type { WantedStreams } from './sessions.ts';
import type { Agreed } from './websocket/accept.ts';
import { codingOf, openChannels } from './websocket/channels.ts';
import { whileServed } from './while-served.ts';

/** In the order of the channels' numbers. */
const channelNames = ['stdin', 'stdout', 'stderr', 'error', 'resize'] as const;

/** The protocols that this speaks; a client that names none speaks the first version. */
export const webSocketCommandProtocols = [
  ...['v5.', 'v4.', 'v3.', 'v2.', ''].flatMap((version) => [
    `${version}channel.k8s.io`,
    `${version}base64.channel.k8s.io`,
  ]),
  '',
];

/** Serves one command on a connection, from the handshake to the client's farewell. */
export async function serveWebSocketCommand(
  accepted: Agreed,
  { wanted, run }: Command,
): Promise<void> {
  const { protocol } = accepted;
  const version = Number(/^v(\d)/.exec(protocol)?.[1] ?? 1);
  const { link, duplexes } = openChannels(accepted, {
    count: channelNames.length,
    coding: codingOf(protocol),
  });
  const channels = channelsOf(duplexes, wanted);
  await whileServed(link.ended, (signal) =>
    converse(channels, { run, version, signal }).finally(link.end),
  );
}

/** Of channels that nobody reads, what comes is dropped: they must not be full. */
function channelsOf(
  [stdin, stdout, stderr, error, resize]: readonly Duplex[],
  wanted: WantedStreams,
): Channels {
  if (error === undefined) throw new TypeError('there is a channel for each name');
  const unread = [stdout, stderr, error, ...(wanted.stdin ? [] : [stdin])];
  for (const duplex of [...unread, ...(wanted.hasTerminal ? [] : [resize])]) duplex?.resume();
  return {
    error,
    ...(wanted.stdin && { stdin }),
    ...(wanted.stdout && { stdout }),
    ...(wanted.stderr && { stderr }),
    ...(wanted.hasTerminal && { resize }),
  };
}
