import { status } from '@grpc/grpc-js';
import { describe, Fault, type FaultCode, faultCode, primary } from '#errors/fault.ts';

const grpcStatus = {
  cancelled: status.CANCELLED,
  'invalid-argument': status.INVALID_ARGUMENT,
  'deadline-exceeded': status.DEADLINE_EXCEEDED,
  'not-found': status.NOT_FOUND,
  'already-exists': status.ALREADY_EXISTS,
  'permission-denied': status.PERMISSION_DENIED,
  'resource-exhausted': status.RESOURCE_EXHAUSTED,
  'failed-precondition': status.FAILED_PRECONDITION,
  unimplemented: status.UNIMPLEMENTED,
  internal: status.INTERNAL,
  unavailable: status.UNAVAILABLE,
  unauthenticated: status.UNAUTHENTICATED,
} as const satisfies Record<FaultCode, number>;

/**
 * The only place where errors become gRPC: the class of the failure, and the whole story. An error that
 * nobody has named the act of, such as that there are too many open files, gets `act`.
 */
export function toServiceError(thrown: unknown, act: string): { code: number; details: string } {
  const story = describe(thrown);
  const details = primary(thrown) instanceof Fault ? story : `${act}: ${story}`;
  return { code: grpcStatus[faultCode(thrown)], details };
}
