import grpc from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { descriptor } from '#api/cri/v1/descriptor.ts';
import type { ImageService, RuntimeService } from '#api/cri/v1/types.ts';
import { slowness } from './wait.ts';

type Services = RuntimeService & ImageService;

/** A message to send: a field left out has its zero value. */
export type Draft<Message> = Message extends Buffer | string | number | boolean | null
  ? Message
  : Message extends readonly (infer Item)[]
    ? readonly Draft<Item>[]
    : { readonly [Field in keyof Message]?: Draft<Message[Field]> };

export type CallOptions = { readonly timeoutMs?: number; readonly signal?: AbortSignal };

type Call<Method> = Method extends {
  kind: infer Kind;
  request: infer Request;
  response: infer Response;
}
  ? (
      request: Draft<Request>,
      options?: CallOptions,
    ) => Kind extends 'unary' ? Promise<Response> : grpc.ClientReadableStream<Response>
  : never;

/**
 * The CRI of one daemon: `cri.runPodSandbox({ config })`. A unary method rejects with grpc-js's
 * ServiceError (`code`, `details`); a streaming one returns an async iterable with `cancel()`.
 */
export type Cri = Disposable & {
  readonly [Name in keyof Services as Uncapitalize<Name>]: Call<Services[Name]>;
};

const root = protobuf.Root.fromJSON(descriptor as protobuf.INamespace);
const channelOptions = {
  // What kubelet takes.
  'grpc.max_receive_message_length': 16 << 20,
  // A daemon that was ended on purpose is back in no time.
  'grpc.initial_reconnect_backoff_ms': 20,
  'grpc.max_reconnect_backoff_ms': 100,
};

/** A client on the unix socket at `path`. It connects with its first call. */
export function connectCri(path: string): Cri {
  const client = new grpc.Client(`unix:${path}`, grpc.credentials.createInsecure(), channelOptions);
  const calls = ['RuntimeService', 'ImageService'].flatMap((name) => {
    const service = root.lookupService(`runtime.v1.${name}`);
    return service.methodsArray.map((method) => [uncapitalize(method.name), bind(client, method)]);
  });
  return { ...Object.fromEntries(calls), [Symbol.dispose]: () => client.close() };
}

function bind(client: grpc.Client, method: protobuf.Method) {
  method.resolve();
  const path = `/runtime.v1.${method.parent?.name}/${method.name}`;
  const { resolvedRequestType: requestType, resolvedResponseType: responseType } = method;
  if (requestType === null || responseType === null) throw new Error(`no types for ${path}`);
  const encode = (message: object) => Buffer.from(requestType.encode(message).finish());
  const decode = (bytes: Buffer): unknown =>
    responseType.toObject(responseType.decode(bytes), { longs: Number, defaults: true });

  if (method.responseStream === true) {
    return (request: object, options: CallOptions = {}) =>
      client.makeServerStreamRequest(path, encode, decode, request, callOptions(options));
  }
  return (request: object, options: CallOptions = {}) => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const call = client.makeUnaryRequest(
      path,
      encode,
      decode,
      request,
      callOptions(options),
      (error, response) => (error === null ? resolve(response) : reject(error)),
    );
    options.signal?.addEventListener('abort', () => call.cancel(), { once: true });
    return promise;
  };
}

/** Without a deadline a hanging daemon would hang the tests. */
function callOptions({ timeoutMs = 50_000 * slowness }: CallOptions): grpc.CallOptions {
  return { deadline: Date.now() + timeoutMs };
}

function uncapitalize(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}
