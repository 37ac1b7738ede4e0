import type { Duplex } from 'node:stream';
import { Fault } from '#errors/fault.ts';
import {
  type ChannelName,
  channelNames,
  type Channels,
  type Command,
  converse,
} from './command.ts';
import { SpdyConnection, type SpdyStream } from './spdy/connection.ts';
import { whileServed } from './while-served.ts';

/** The protocols that this speaks, the best one first. Of the version it is that matters. */
export const spdyCommandProtocols = [
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
];

/** How long a client may take to open all streams of a session. */
const openTimeoutMs = 30_000;

/** Serves one command on a connection, from the opening of its streams to the client's farewell. */
export async function serveSpdyCommand(
  socket: Duplex,
  { wanted, run, protocol }: Command & { readonly protocol: string },
): Promise<void> {
  const version = Number(/^v(\d)/.exec(protocol)?.[1] ?? 1);
  const streams = expectStreams(channelNames(wanted, version));
  const connection = new SpdyConnection(socket, { maxStreams: 8, onStream: streams.add });
  await whileServed(connection.run(), async (signal) => {
    signal.addEventListener('abort', () => streams.giveUp('its client has gone'));
    try {
      await converse(await streams.complete, { run, version, signal });
    } finally {
      connection.close();
    }
  });
}

/** Gathers one stream of each name. Others are reset. */
function expectStreams(names: readonly ChannelName[]) {
  const { promise: complete, resolve, reject } = Promise.withResolvers<Channels>();
  const streams: Partial<Record<ChannelName, Duplex>> = {};
  const giveUp = (why: string): void => {
    clearTimeout(timer);
    reject(new Fault('cancelled', `open the streams of a session: ${why}`));
  };
  const timer = setTimeout(giveUp, openTimeoutMs, `not all came within ${openTimeoutMs} ms`);
  const add = ({ headers, duplex }: SpdyStream): void => {
    const name = names.find((it) => it === headers.get('streamtype'));
    if (name === undefined || streams[name] !== undefined) return void duplex.destroy();
    streams[name] = duplex;
    // Nothing is expected on the others, but their ends.
    if (name !== 'stdin' && name !== 'resize') duplex.resume();
    const { error, ...others } = streams;
    if (error === undefined || Object.keys(streams).length < names.length) return;
    clearTimeout(timer);
    resolve({ error, ...others });
  };
  return { complete, add, giveUp };
}
