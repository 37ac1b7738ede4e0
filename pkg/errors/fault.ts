import { inspect } from 'node:util';

/**
 * Why an operation failed, in terms that a caller can act on.
 * pkg/server maps each code to one gRPC status; nothing else in the project knows gRPC's codes.
 */
export type FaultCode =
  | 'invalid-argument'
  | 'not-found'
  | 'already-exists'
  | 'failed-precondition'
  | 'resource-exhausted'
  | 'permission-denied'
  | 'unauthenticated'
  | 'unimplemented'
  | 'unavailable'
  | 'deadline-exceeded'
  | 'cancelled'
  | 'internal';

/** A failure with a code. The message names the act; `cause` holds what went wrong beneath. */
export class Fault extends Error {
  override readonly name: string = 'Fault';
  readonly code: FaultCode;

  constructor(code: FaultCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A failed system call: `mount(/run/x): EBUSY`. Usually the cause of the error that names the act. */
export class SyscallError extends Error {
  override readonly name: string = 'SyscallError';
  readonly syscall: string;
  /** The symbolic error number, such as `ENOENT`. Named as Node names it on its own errors. */
  readonly code: string;

  constructor(syscall: string, code: string, detail: string) {
    super(`${syscall}(${detail}): ${code}`);
    this.syscall = syscall;
    this.code = code;
  }
}

/** What went wrong first: a failing disposer wraps the earlier error as `suppressed`. */
export function primary(thrown: unknown): unknown {
  return thrown instanceof SuppressedError ? primary(thrown.suppressed) : thrown;
}

/**
 * The code of the first Fault in the chain of causes. Of errors that nobody classified, those that
 * say so themselves are told apart; the others are internal.
 */
export function faultCode(thrown: unknown): FaultCode {
  const error = primary(thrown);
  if (error instanceof Fault) return error.code;
  if (!(error instanceof Error)) return 'internal';
  if (error.name === 'AbortError') return 'cancelled';
  if (error.name === 'TimeoutError') return 'deadline-exceeded';
  if (isErrno(error, 'ENOSPC', 'EDQUOT')) return 'resource-exhausted';
  return error.cause === undefined ? 'internal' : faultCode(error.cause);
}

/** The whole story in one line: the message of an error, then of each cause beneath it. */
export function describe(thrown: unknown): string {
  return messages(primary(thrown)).join(': ');
}

function messages(thrown: unknown): string[] {
  if (!(thrown instanceof Error)) return thrown === undefined ? [] : [inspect(thrown)];
  return [thrown.message, ...messages(thrown.cause)];
}

/** Whether a system call or a Node function failed with this error number, e.g. `ENOENT`. */
export function isErrno(thrown: unknown, ...codes: readonly string[]): boolean {
  return (
    thrown instanceof Error &&
    'code' in thrown &&
    typeof thrown.code === 'string' &&
    codes.includes(thrown.code)
  );
}
