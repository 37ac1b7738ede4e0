import { expect, it } from 'vitest';
import { createLog, withRequest } from './log.ts';

function capture(level: 'debug' | 'info') {
  const lines: Record<string, unknown>[] = [];
  return { lines, log: createLog(level, (line) => lines.push(JSON.parse(line))) };
}

it('writes one JSON object per line, with the chain of an error', () => {
  const { lines, log } = capture('debug');
  log.warn({ error: new Error('outer', { cause: new Error('inner') }), n: 1n }, 'careful');
  expect(lines).toEqual([
    { time: expect.any(String), level: 'warn', message: 'careful', error: 'outer: inner', n: '1' },
  ]);
});

it('drops what is below its level', () => {
  const { lines, log } = capture('info');
  log.debug({}, 'no');
  log.error({}, 'yes');
  expect(lines.map(({ message }) => message)).toEqual(['yes']);
});

it('names the request on each line, also after waiting', async () => {
  const { lines, log } = capture('info');
  await withRequest({ requestId: 'r1', rpc: 'Version' }, async () => {
    await Promise.resolve();
    log.info({}, 'in');
  });
  log.info({}, 'out');
  expect(lines).toMatchObject([{ requestId: 'r1', rpc: 'Version' }, { message: 'out' }]);
  expect(lines[1]).not.toHaveProperty('rpc');
});
