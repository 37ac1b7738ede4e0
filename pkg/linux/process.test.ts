import { spawn } from 'node:child_process';
import { once } from 'node:events';
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

it.each([
  ['SIGTERM', 15],
  ['TERM', 15],
  ['9', 9],
  ['SIGRTMIN+3', 37],
  ['SIGRTMAX-1', 63],
  ['SIGNOTHING', undefined],
  ['SIGRTMIN+31', undefined],
  ['0', undefined],
])('signalNumber(%s) is %s', (name, number) => {
  expect(signalNumber(name)).toBe(number);
});
