import { Fault, type FaultCode, SyscallError } from '#errors/fault.ts';
import type { Operations } from './system-thread-operations.ts';

/** One call on its way to the system thread. */
export type Call<Names extends keyof Operations = keyof Operations> = {
  [Name in Names]: { readonly name: Name; readonly argument: Operations[Name]['argument'] };
}[Names];

/** The answer to one call; answers come in the order of the calls. */
export type Reply =
  | { readonly kind: 'done'; readonly result: unknown }
  /** `isStranded`: the thread could not get back to the host's namespaces, and ends. */
  | { readonly kind: 'refused'; readonly error: PlainError; readonly isStranded: boolean };

/** An error as it crosses threads: a structured clone keeps neither its class nor its code. */
export type PlainError = {
  readonly message: string;
  readonly stack: string | undefined;
  readonly fault?: FaultCode;
  readonly syscall?: string;
  readonly code?: string;
  readonly cause?: PlainError;
};

export function toPlainError(thrown: unknown): PlainError {
  if (!(thrown instanceof Error)) return { message: String(thrown), stack: undefined };
  const { message, stack, cause } = thrown;
  return {
    message,
    stack,
    ...classOf(thrown),
    ...(cause === undefined ? {} : { cause: toPlainError(cause) }),
  };
}

/** The error again, with its class, its code and its chain of causes. */
export function fromPlainError(plain: PlainError): Error {
  const options = plain.cause === undefined ? {} : { cause: fromPlainError(plain.cause) };
  const error = revive(plain, options);
  if (plain.stack !== undefined) error.stack = plain.stack;
  return error;
}

function classOf(error: Error): Pick<PlainError, 'fault' | 'syscall' | 'code'> {
  if (error instanceof Fault) return { fault: error.code };
  if (error instanceof SyscallError) return { syscall: error.syscall, code: error.code };
  return 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
}

function revive({ message, fault, syscall, code }: PlainError, options: ErrorOptions): Error {
  if (fault !== undefined) return new Fault(fault, message, options);
  if (code === undefined) return new Error(message, options);
  if (syscall === undefined) return Object.assign(new Error(message, options), { code });
  const detail = message.slice(`${syscall}(`.length, -`): ${code}`.length);
  return new SyscallError(syscall, code, detail);
}
