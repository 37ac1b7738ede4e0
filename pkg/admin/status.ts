import { describe, type FaultCode, faultCode } from '#errors/fault.ts';

const httpStatus = {
  'invalid-argument': 400,
  unauthenticated: 401,
  'permission-denied': 403,
  'not-found': 404,
  'already-exists': 409,
  'failed-precondition': 409,
  // As proxies say it of a client that has gone.
  cancelled: 499,
  internal: 500,
  unimplemented: 501,
  unavailable: 503,
  'deadline-exceeded': 504,
  'resource-exhausted': 507,
} as const satisfies Record<FaultCode, number>;

export type Failure = { readonly code: FaultCode; readonly message: string };

/** The only place where errors become HTTP: the status, and the story that gRPC would tell as well. */
export function toHttpError(thrown: unknown): { status: number; error: Failure } {
  const code = faultCode(thrown);
  return { status: httpStatus[code], error: { code, message: describe(thrown) } };
}
