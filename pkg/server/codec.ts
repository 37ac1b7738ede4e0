import type { MethodDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs/light.js';
import { descriptor } from '#api/cri/v1/descriptor.ts';

const root = protobuf.Root.fromJSON(descriptor);

/**
 * How the messages of one gRPC service are read and written, by method name. Read messages have every
 * field: scalars their default, absent messages null (so that absent and empty differ), lists and
 * maps empty, 64-bit integers as numbers, bytes as Buffers. Unknown fields are dropped.
 */
export function serviceDefinition(name: string): Record<string, MethodDefinition<object, object>> {
  const service = root.lookupService(`runtime.v1.${name}`);
  return Object.fromEntries(
    service.methodsArray.map((method) => [method.name, methodDefinition(service, method)]),
  );
}

function methodDefinition(
  service: protobuf.Service,
  method: protobuf.Method,
): MethodDefinition<object, object> {
  const request = service.lookupType(method.requestType);
  const response = service.lookupType(method.responseType);
  return {
    path: `/runtime.v1.${service.name}/${method.name}`,
    requestStream: false,
    responseStream: method.responseStream === true,
    requestSerialize: (message) => encode(request, message),
    requestDeserialize: (bytes) => decode(request, bytes),
    responseSerialize: (message) => encode(response, message),
    responseDeserialize: (bytes) => decode(response, bytes),
  };
}

function encode(type: protobuf.Type, message: object): Buffer {
  return Buffer.from(type.encode(message).finish());
}

function decode(type: protobuf.Type, bytes: Buffer): object {
  return type.toObject(type.decode(bytes), { longs: Number, defaults: true });
}
