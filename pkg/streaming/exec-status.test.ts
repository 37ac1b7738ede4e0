import { expect, it } from 'vitest';
import { Fault } from '#errors/fault.ts';
import { statusText } from './exec-status.ts';

const cause = new Fault('failed-precondition', 'exec', { cause: new Error('no such file') });

it('is a Status in JSON since v4', () => {
  expect(parsed({ kind: 'exited', exitCode: 0 }, 4)).toEqual({ metadata: {}, status: 'Success' });
  expect(parsed({ kind: 'exited', exitCode: 42 }, 4)).toMatchObject({
    status: 'Failure',
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: '42' }] },
  });
  expect(parsed({ kind: 'failed', cause }, 4)).toMatchObject({
    status: 'Failure',
    reason: 'InternalError',
    message: 'exec: no such file',
    code: 500,
  });
});

it('is a text of failures only, before', () => {
  expect(statusText({ kind: 'exited', exitCode: 0 }, 3)).toBe('');
  expect(statusText({ kind: 'exited', exitCode: 42 }, 1)).toContain('42');
  expect(statusText({ kind: 'failed', cause }, 2)).toBe('exec: no such file');
});

function parsed(...args: Parameters<typeof statusText>): unknown {
  return JSON.parse(statusText(...args));
}
