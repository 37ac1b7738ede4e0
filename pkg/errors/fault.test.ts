import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { describe, Fault, faultCode, isErrno, SyscallError } from './fault.ts';

it('takes the code of the first Fault in the chain', () => {
  const cause = new Fault('not-found', 'no image', { cause: new Fault('internal', 'x') });
  expect(faultCode(new Error('outer', { cause }))).toBe('not-found');
});

it.each([
  [new SyscallError('mount', 'ENOSPC', '/x'), 'resource-exhausted'],
  [new DOMException('gone', 'AbortError'), 'cancelled'],
  [new DOMException('late', 'TimeoutError'), 'deadline-exceeded'],
  [new Error('what?'), 'internal'],
  ['text', 'internal'],
])('tells apart what nobody classified: %s', (error, code) => {
  expect(faultCode(error)).toBe(code);
});

it('describes the chain in one line, the first error of a failing disposer included', () => {
  const cause = new SyscallError('mount', 'EBUSY', '/x');
  const first = new Fault('internal', 'mount rootfs', { cause });
  const error = new SuppressedError(new Error('close'), first);
  expect(describe(error)).toBe('mount rootfs: mount(/x): EBUSY');
});

it("knows error numbers of system calls and of Node's own errors", () => {
  expect(isErrno(new SyscallError('open', 'ENOENT', '/x'), 'ENOENT')).toBe(true);
  try {
    writeFileSync('/no/such/folder/file', '');
    expect.unreachable();
  } catch (error) {
    expect(isErrno(error, 'EEXIST', 'ENOENT')).toBe(true);
  }
});
