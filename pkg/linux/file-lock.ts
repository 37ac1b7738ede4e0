import { closeSync, openSync } from 'node:fs';
import { isErrno, SyscallError } from '#errors/fault.ts';
import { flock, lastError } from './libc.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Takes the exclusive flock(2) on `path`, made when missing, until the returned value is disposed of
 * or the process ends. Returns undefined when another process holds it.
 */
export function tryLockFile(path: string): Disposable | undefined {
  const fd = openSync(path, 'a', 0o600);
  if (flock(fd, LOCK_EX | LOCK_NB) === 0) return { [Symbol.dispose]: () => closeSync(fd) };
  const error = new SyscallError('flock', lastError(), path);
  closeSync(fd);
  if (isErrno(error, 'EAGAIN', 'EWOULDBLOCK')) return undefined;
  throw error;
}
