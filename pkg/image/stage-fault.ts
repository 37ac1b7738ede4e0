import { Fault, type FaultCode, faultCode, isErrno } from '#errors/fault.ts';

/** What failed, in words, with the code of what went wrong beneath; a full disk is told apart. */
export function stageFault(act: string, cause: unknown): Fault {
  return new Fault(stageCode(cause), act, { cause });
}

export function stageCode(thrown: unknown): FaultCode {
  return isDiskFull(thrown) ? 'resource-exhausted' : faultCode(thrown);
}

function isDiskFull(thrown: unknown): boolean {
  if (isErrno(thrown, 'ENOSPC', 'EDQUOT')) return true;
  return thrown instanceof Error && thrown.cause !== undefined && isDiskFull(thrown.cause);
}
