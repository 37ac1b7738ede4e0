import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import {
  identifyProcess,
  inspectProcess,
  isAlive,
  signalNumber,
  signalProcess,
} from './process.ts';

it('signals the process that was identified, and no other with its pid', async () => {
  const child = spawn('sleep', ['60']);
  const process = identifyProcess(child.pid ?? 0);
  if (process === undefined) throw new Error('sleep is not running');
  expect(signalProcess({ ...process, startTime: process.startTime - 1 }, 9)).toBe(false);
  expect(isAlive(process)).toBe(true);
  expect(signalProcess(process, 15)).toBe(true);
  expect(await once(child, 'exit')).toEqual([null, 'SIGTERM']);
  expect(isAlive(process)).toBe(false);
  expect(signalProcess(process, 15)).toBe(false);
});

it('reads the session of a process whose name holds spaces and parentheses', async () => {
  const child = spawn('bash', ['-c', 'printf "a) 1 (b" > /proc/self/comm; echo; read'], {
    detached: true,
  });
  await once(child.stdout, 'data');
  expect(inspectProcess(child.pid ?? 0)?.session).toBe(child.pid);
  child.stdin.end();
  await once(child, 'exit');
});

/** Ends its first thread alone, with exit(2), while another one goes on. */
const headless = `
  const { Worker } = require('node:worker_threads');
  const exit = require('koffi').load('libc.so.6').func('long syscall(long, int)');
  const number = process.arch === 'x64' ? 60 : 93;
  new Worker('setInterval(() => {}, 1000)', { eval: true }).on('online', () => exit(number, 0));`;

it('counts a process as alive whose first thread has ended, as long as others go on', async () => {
  const child = spawn(process.execPath, ['-e', headless]);
  const pid = child.pid ?? 0;
  await expect.poll(() => readFileSync(`/proc/${pid}/stat`, 'utf8')).toContain(') Z ');
  const identity = identifyProcess(pid);
  if (identity === undefined) throw new Error('it counts as gone');
  expect(isAlive(identity)).toBe(true);
  expect(signalProcess(identity, 9)).toBe(true);
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
  expect(isAlive(identity)).toBe(false);
});

it.each([
  ['SIGTERM', 15],
  ['TERM', 15],
  ['9', 9],
  ['SIGCLD', 17],
  ['SIGRTMIN+3', 37],
  ['SIGRTMAX-1', 63],
  ['SIGNOTHING', undefined],
  ['SIGRTMIN+31', undefined],
  ['0', undefined],
])('signalNumber(%s) is %s', (name, number) => {
  expect(signalNumber(name)).toBe(number);
});
