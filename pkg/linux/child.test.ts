import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { openOutputPipe, startChild } from './child.ts';
import { close, openat } from './libc.ts';

const env = { PATH: '/usr/bin:/bin' };

async function shell(script: string, options: { cwd?: string } = {}) {
  using out = openOutputPipe();
  const args = ['-c', script];
  const child = startChild({ path: '/bin/sh', args, env, stdio: [null, out.writeFd], ...options });
  out.closeWriteFd();
  const [output, exitCode] = await Promise.all([text(out.stream), child.ended]);
  return { output, exitCode, pid: child.pid };
}

it('gives the output and the exit status', async () => {
  expect(await shell('echo out; exit 3')).toMatchObject({ output: 'out\n', exitCode: 3 });
});

it('gives 128 and the signal for a program that a signal ended', async () => {
  expect((await shell('kill -9 $$')).exitCode).toBe(137);
});

it('gives a program pipes that it can open by name', async () => {
  expect((await shell('echo named > /dev/stdout')).output).toBe('named\n');
});

it('starts it in a session of its own, in the folder asked for, with its environment alone', async () => {
  const { output, pid } = await shell('cut -d" " -f6 /proc/$$/stat; pwd; env', { cwd: '/usr' });
  const [session, folder, ...variables] = output.trim().split('\n');
  expect(Number(session)).toBe(pid);
  expect(folder).toBe('/usr');
  expect(variables.filter((line) => !/^(PWD|_|SHLVL|OLDPWD)=/.test(line))).toEqual([
    'PATH=/usr/bin:/bin',
  ]);
});

it('lets it die of a closed pipe', async () => {
  expect((await shell('yes | head -c1 >/dev/null; grep SigIgn /proc/$$/status')).output).toMatch(
    /SigIgn:\s0+\n/,
  );
});

it('hands down the descriptors in stdio, and none that we have from others', async () => {
  // As a shell's `9>file` would leave it: open for every program.
  const inherited = openat(-100, '/dev/null', 0, 0);
  const { output } = await shell('ls /proc/$$/fd | tr "\\n" " "');
  close(inherited);
  // The shell's own copies begin at 10.
  const fds = output.trim().split(' ').map(Number);
  expect(fds.filter((fd) => fd > 2 && fd < 10)).toEqual([]);
  expect(fds).not.toContain(inherited);
});

it('appends to a file of ours', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-child-'));
  const file = openSync(join(folder, 'log'), 'a');
  const args = ['-c', 'echo to 2 >&2; echo to 3 >&3'];
  const child = startChild({ path: '/bin/sh', args, env, stdio: [null, null, file, file] });
  closeSync(file);
  expect(await child.ended).toBe(0);
  expect(readFileSync(join(folder, 'log'), 'utf8')).toBe('to 2\nto 3\n');
  rmSync(folder, { recursive: true });
});

it('reaps many at once, each with its own status', async () => {
  const children = Array.from({ length: 20 }, (_, i) =>
    startChild({ path: '/bin/sh', args: ['-c', `exit ${i}`], env, stdio: [null, null, null] }),
  );
  expect(await Promise.all(children.map(({ ended }) => ended))).toEqual([...children.keys()]);
});

it('says which program is not there', () => {
  expect(() => startChild({ path: '/no/such', args: [], env, stdio: [null] })).toThrow(
    'posix_spawn(/no/such): ENOENT',
  );
});
