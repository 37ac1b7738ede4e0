import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bindPrivately } from './unix-socket.ts';

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-socket-'));
  path = join(folder, 'below', 'x.sock');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A server on `path`, which is closed with the scope. */
async function listen() {
  const server = createServer();
  await bindPrivately(path, () => once(server.listen(path), 'listening'));
  return {
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

it('makes a socket that only root and its group can use', async () => {
  const before = process.umask();
  await using _server = await listen();
  expect(statSync(path).mode & 0o777).toBe(0o660);
  expect(process.umask()).toBe(before);
});

it('replaces a socket that nobody serves, and refuses one that somebody does', async () => {
  const child = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  {
    await using _first = await listen();
    await expect(listen()).rejects.toThrow('another daemon serves there');
  }
  spawnSync(process.execPath, ['-e', child]);
  expect(statSync(path).isSocket()).toBe(true);
  await using _second = await listen();
});

it('leaves a file alone that is no socket', async () => {
  path = join(folder, 'file');
  writeFileSync(path, 'precious');
  await expect(listen()).rejects.toThrow('it is there and no socket');
  expect(statSync(path).size).toBe(8);
});
