import { expect, it } from 'vitest';
import { Fault, SyscallError } from '#errors/fault.ts';
import { toHttpError } from './status.ts';

it('tells the class of the failure, and the whole story', () => {
  const cause = new Fault('resource-exhausted', 'unpack', {
    cause: new SyscallError('write', 'ENOSPC', '/x'),
  });
  expect(toHttpError(new Error('pull image "a"', { cause }))).toEqual({
    status: 507,
    error: { code: 'resource-exhausted', message: 'pull image "a": unpack: write(/x): ENOSPC' },
  });
});
