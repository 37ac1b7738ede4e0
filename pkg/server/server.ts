import { rmSync } from 'node:fs';
import {
  Server,
  ServerCredentials,
  status,
  type UntypedServiceImplementation,
  type UntypedHandleCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
} from '@grpc/grpc-js';
import { bindPrivately } from '#linux/unix-socket.ts';
import { serviceDefinition } from './codec.ts';
import type { ServerDeps } from './deps.ts';
import { passOverFarDeadlines } from './far-deadlines.ts';
import { imageService, runtimeService } from './services.ts';
import { streaming } from './streaming.ts';
import { unary } from './unary.ts';

/** What kubelet's own client takes at the most. */
const maxMessageBytes = 16 * 1024 * 1024;

/** Serves the CRI on a unix socket until closed. */
export type CriServer = {
  /** Takes no more calls and waits for those under way, but no longer than `graceMs`. */
  close(graceMs: number): Promise<void>;
};

/** Begins to listen at `path`, for root alone (0660). A socket that a dead daemon left is replaced. */
export async function serveCri(deps: ServerDeps, path: string): Promise<CriServer> {
  passOverFarDeadlines();
  const server = new Server({
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    // Clients on the same machine may ask for signs of life as often as they like.
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.http2.min_ping_interval_without_data_ms': 1_000,
  });
  const closing = new AbortController();
  const callDeps = { ...deps, closing: closing.signal };
  addService(server, callDeps, { name: 'RuntimeService', rpcs: runtimeService });
  addService(server, callDeps, { name: 'ImageService', rpcs: imageService });
  await listen(server, path);
  return {
    close: (graceMs) => {
      closing.abort();
      return close(server, path, graceMs);
    },
  };
}

type Service = { readonly name: string; readonly rpcs: object };
type Deps = ServerDeps & { readonly closing: AbortSignal };

function addService(server: Server, deps: Deps, { name, rpcs }: Service): void {
  const definition = serviceDefinition(name);
  const implemented = new Map(Object.entries(rpcs));
  const handlers: UntypedServiceImplementation = {};
  for (const [rpc, { responseStream }] of Object.entries(definition)) {
    const implementation = implemented.get(rpc);
    if (implementation === undefined) handlers[rpc] = unimplemented(rpc, responseStream);
    else if (responseStream) handlers[rpc] = streaming(rpc, deps, implementation.bind(null, deps));
    else handlers[rpc] = unary(rpc, deps, implementation.bind(null, deps));
  }
  server.addService(definition, handlers);
}

function unimplemented(rpc: string, isStream: boolean): UntypedHandleCall {
  const failure = {
    code: status.UNIMPLEMENTED,
    details: `${rpc} is not there yet in this version of Gantry`,
  };
  const stream: handleServerStreamingCall<object, object> = (call) =>
    void call.emit('error', failure);
  const single: handleUnaryCall<object, object> = (_call, reply) => reply(failure);
  return isStream ? stream : single;
}

function listen(server: Server, path: string): Promise<void> {
  return bindPrivately(path, () => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
    return promise;
  });
}

async function close(server: Server, path: string, graceMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(() => server.forceShutdown(), graceMs);
  server.tryShutdown(() => resolve());
  await promise;
  clearTimeout(timer);
  rmSync(path, { force: true });
}
