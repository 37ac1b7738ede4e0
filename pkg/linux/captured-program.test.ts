import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type CaptureOptions, type Captured, captureProgram } from './captured-program.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-captured-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function run(script: string, options: Partial<CaptureOptions> = {}): Promise<Captured> {
  const path = join(folder, 'program');
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  const env = { PATH: '/usr/bin:/bin', WHO: 'me' };
  return captureProgram(path, {
    env,
    input: '',
    timeoutMs: 10_000,
    maxOutputBytes: 4096,
    ...options,
  });
}

it('captureProgram returns both outputs and the status, whatever it is', async () => {
  expect(await run('cat; echo "$WHO" >&2; exit 3', { input: 'given' })).toEqual({
    exitCode: 3,
    stdout: 'given',
    stderr: 'me\n',
  });
});

it('captureProgram kills a program that gives no answer, and its children', async () => {
  const pidFile = join(folder, 'pid');
  const script = `echo begun; sleep 1000 & echo $! >${pidFile}.new; mv ${pidFile}.new ${pidFile}; wait`;
  const ended = run(script, { timeoutMs: 500 });
  expect(await ended).toMatchObject({
    exitCode: 137,
    stdout: 'begun\n',
    killedFor: 'no answer within 500 ms',
  });
  const stateOfChild = (): string | undefined => {
    const path = `/proc/${readFileSync(pidFile, 'utf8').trim()}/stat`;
    return existsSync(path) ? readFileSync(path, 'utf8').split(' ')[2] : undefined;
  };
  // Nobody may be there to wait for it.
  await expect.poll(stateOfChild).toSatisfy((state) => state === undefined || state === 'Z');
});

it('captureProgram kills a program that writes without end, and keeps what there is room for', async () => {
  const { stdout, killedFor } = await run('exec yes');
  expect(killedFor).toBe('it writes more than 4096 bytes');
  expect(stdout).toHaveLength(4096);
});

it('captureProgram lets a program write errors without end, and keeps the beginning', async () => {
  const { exitCode, stderr } = await run('yes | head -c 1000000 >&2');
  expect(exitCode).toBe(0);
  expect(stderr).toHaveLength(4096);
});

it('captureProgram does not wait for what a program leaves behind', async () => {
  const { stdout, exitCode } = await run('sleep 3 & echo done');
  expect({ stdout, exitCode }).toEqual({ stdout: 'done\n', exitCode: 0 });
});

it('captureProgram waits for a program that is being written', async () => {
  writeFileSync(join(folder, 'program'), '');
  const writer = openSync(join(folder, 'program'), 'r+');
  const ended = run('echo whole');
  await expect.poll(() => readFileSync(join(folder, 'program'), 'utf8')).toContain('whole');
  closeSync(writer);
  expect((await ended).stdout).toBe('whole\n');
});

it('captureProgram throws when there is no such program', async () => {
  const options = { env: {}, input: '', timeoutMs: 1000, maxOutputBytes: 1 };
  await expect(captureProgram('/nowhere', options)).rejects.toThrow(/ENOENT/);
});

it('captureProgram kills a program when its signal is aborted', async () => {
  const ender = new AbortController();
  const ended = run('exec sleep 1000', { signal: ender.signal });
  ender.abort();
  expect(await ended).toMatchObject({ exitCode: 137, killedFor: 'it is not wanted any more' });
});
