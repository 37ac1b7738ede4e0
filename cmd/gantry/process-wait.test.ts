import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { describeWait, processesNaming, processWait } from './process-wait.ts';
import { socketOwner, threadWaits } from './socket-owner.ts';

it('tells what a process waits for, until it has gone', async () => {
  const child = spawn('sleep', ['1234.5678']);
  const pid = child.pid ?? 0;
  await vi.waitFor(() => {
    expect(processWait(pid)).toMatchObject({
      pid,
      command: 'sleep 1234.5678',
      state: 'S',
      waitChannel: expect.stringContaining('sleep'),
    });
  }, 20_000);
  expect(processesNaming('1234.5678')).toContain(pid);
  const wait = processWait(pid);
  expect(wait && describeWait(wait)).toMatch(/^pid \d+ \(sleep .*\): state S, waiting in \w+/);
  child.kill();
  await once(child, 'exit');
  expect(processWait(pid)).toBeUndefined();
});

it('finds who listens on a socket, and what its threads do', async () => {
  const path = join(tmpdir(), `gantry-owner-${process.pid}.sock`);
  const server = createServer();
  await once(server.listen(path), 'listening');
  expect(socketOwner(path)).toBe(process.pid);
  expect(threadWaits(process.pid).map(({ pid }) => pid)).toContain(process.pid);
  await once(server.close(), 'close');
  expect(socketOwner(path)).toBeUndefined();
});
