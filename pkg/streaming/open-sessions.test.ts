import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { createLog } from '#log/log.ts';
import { OpenSessions } from './open-sessions.ts';

const log = createLog('error');

test('cuts the connections and waits for what they led to', async () => {
  const sessions = new OpenSessions(log);
  const socket = new PassThrough();
  let hasEnded = false;
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on('close', () => setImmediate(resolve));
  const session = async (): Promise<void> => {
    await promise;
    hasEnded = true;
  };
  sessions.add(socket, 'exec c', session());
  expect(sessions.size).toBe(1);
  await sessions.close(60_000);
  expect(hasEnded).toBe(true);
  expect(sessions.size).toBe(0);
});

test('does not wait for ever for one that is stuck, and says which', async () => {
  const warnings: object[] = [];
  const sessions = new OpenSessions({ ...log, warn: (fields) => warnings.push(fields) });
  sessions.add(new PassThrough(), 'attach c', new Promise(() => {}));
  await sessions.close(10);
  expect(warnings).toEqual([{ sessions: ['attach c'] }]);
});
