import type { Log } from '#log/log.ts';
import { attach } from '#runtime/container/attach.ts';
import { exec } from '#runtime/container/exec.ts';
import type { Engine } from '#runtime/engine.ts';
import { given } from '#runtime/given.ts';
import { connectToPod } from '#runtime/sandbox/connect.ts';
import { serveStreams, type StreamingServer } from '#streaming/server.ts';
import type { Targets } from '#streaming/sessions.ts';
import type { Config } from './config.ts';
import { tlsOptions } from './config-streaming.ts';

/** Serves sessions. They lead to the runtime, which knows nothing of them. */
export function openStreaming(
  engine: Engine,
  { config: { streaming, state }, log }: { readonly config: Config; readonly log: Log },
): Promise<StreamingServer> {
  return serveStreams({
    log,
    listen: streaming.listen,
    idleTimeoutMs: streaming.idle_timeout_s * 1000,
    ...given({ advertise: streaming.advertise_address, tls: tlsOptions(streaming, state) }),
    targets: streamTargets(engine),
  });
}

/** What a session leads to. */
export function streamTargets(engine: Engine): Targets {
  return {
    exec: ({ containerId, command, hasTerminal }, streams, signal) =>
      exec(engine, containerId, { command, hasTerminal, streams, signal }),
    attach: ({ containerId }, streams, signal) => attach(engine, containerId, { streams, signal }),
    connect: (sandboxId, port) => connectToPod(engine, sandboxId, port),
  };
}
