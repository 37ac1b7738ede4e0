import { expect, it } from 'vitest';
import { Fault, SyscallError } from '#errors/fault.ts';
import { toServiceError } from './status.ts';

const act = 'ExecSync of "a"';

it('tells the whole story, from the act down to the system call', () => {
  const cause = new Fault('internal', 'mount overlay', {
    cause: new SyscallError('mount', 'ENOSPC', '/x'),
  });
  expect(
    toServiceError(new Fault('resource-exhausted', 'create container "a"', { cause }), act),
  ).toEqual({
    code: 8,
    details: 'create container "a": mount overlay: mount(/x): ENOSPC',
  });
});

it('reports the first error when a disposer fails after it', () => {
  const error = new SuppressedError(
    new Error('close failed'),
    new Fault('not-found', 'no such image'),
  );
  expect(toServiceError(error, act)).toEqual({ code: 5, details: 'no such image' });
});

it('takes the class of an unclassified error from its cause', () => {
  const cause = new Fault('unavailable', 'registry is gone');
  expect(toServiceError(new Error('pull', { cause }), act).code).toBe(14);
  const details = 'ExecSync of "a": what?';
  expect(toServiceError(new Error('what?'), act)).toEqual({ code: 13, details });
});
