import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { countOpenFiles } from './open-files.ts';
import { Turns } from './turns.ts';

const children: ChildProcess[] = [];
afterEach(() => children.splice(0).forEach((child) => child.kill('SIGKILL')));

/** Runs in Node, with three pipes or none. */
async function start(script: string): Promise<number> {
  const child = spawn(
    process.execPath,
    ['-e', `${script}; console.log('ready'); setInterval(() => {}, 1e6)`],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  children.push(child);
  await once(child.stdout, 'data');
  return child.pid ?? 0;
}

async function startShell(redirections: string): Promise<number> {
  const child = spawn('bash', ['-c', `exec ${redirections}; echo ready; exec sleep 1000`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(child);
  await once(child.stdout, 'data');
  // bash itself has one more, which it does not leave to others.
  await expect
    .poll(() => readlinkSync(`/proc/${child.pid}/exe`))
    .toMatch(/sleep|coreutils|busybox/);
  return child.pid ?? 0;
}

/** One by one, as they stand in /proc. */
function filesOf(...pids: readonly number[]) {
  const links = pids.flatMap((pid) =>
    readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`)),
  );
  const sockets = links.filter((link) => link.startsWith('socket:')).length;
  return { descriptors: links.length, sockets };
}

it.each([
  ['the first numbers', '3</dev/null'],
  ['gaps between the numbers', '9</dev/null'],
])('counts files with %s', async (_, redirections) => {
  const pid = await startShell(redirections);
  const { descriptors, sockets } = filesOf(pid);
  expect(descriptors).toBeGreaterThanOrEqual(4);
  expect(await countOpenFiles([pid], new Turns())).toEqual({ descriptors, sockets });
});

it('counts many files and sockets, of all of the processes', async () => {
  const pid = await start(`
    const net = require('node:net');
    for (let n = 0; n < 20; n += 1) net.createServer().listen(0, '127.0.0.1');
    for (let n = 0; n < 20; n += 1) require('node:fs').openSync('/dev/null')`);
  const other = await startShell('3</dev/null');
  await expect.poll(() => filesOf(pid).sockets).toBeGreaterThanOrEqual(20);
  expect(await countOpenFiles([pid, other], new Turns())).toEqual(filesOf(pid, other));
});

it('a process that is gone has nothing open', async () => {
  const pid = await startShell('3</dev/null');
  const [child] = children;
  child?.kill('SIGKILL');
  if (child !== undefined) await once(child, 'exit');
  expect(await countOpenFiles([pid], new Turns())).toEqual({ descriptors: 0, sockets: 0 });
});
