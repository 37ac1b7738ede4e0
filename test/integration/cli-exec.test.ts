import { createHash, randomBytes } from 'node:crypto';
import { execa } from 'execa';
import { expect } from 'vitest';
import type { Daemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import { gantryOutcome, launcher } from './harness/gantry.ts';
import { containerConfig, forever, runContainer, runPod, sh } from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

async function runMain(daemon: Daemon, image: string): Promise<string> {
  const config = containerConfig(image, { metadata: { name: 'main', attempt: 0 }, ...forever });
  return runContainer(daemon.cri, await runPod(daemon), config);
}

const environment = ({ place }: Daemon) => ({ GANTRY_ADDRESS: place.adminSocket });

test('passes on both outputs and the exit code', async ({ daemon, busybox }) => {
  await runMain(daemon, busybox);
  const args = ['exec', 'main', ...sh('echo out; echo err >&2; exit 42')];
  expect(await gantryOutcome(daemon.place, ...args)).toEqual({
    exitCode: 42,
    stdout: 'out',
    stderr: 'err',
  });
  // Flags after the container are the command's own.
  expect(await gantryOutcome(daemon.place, 'exec', 'main', 'ls', '-d', '/etc')).toMatchObject({
    exitCode: 0,
    stdout: '/etc',
  });
});

test('passes standard input on, and its end', async ({ daemon, busybox }) => {
  await runMain(daemon, busybox);
  const input = randomBytes(20_000_000);
  const { stdout } = await execa(launcher, ['exec', '-i', 'main', 'sha256sum'], {
    env: environment(daemon),
    input,
  });
  expect(stdout).toContain(createHash('sha256').update(input).digest('hex'));
  const { stdout: back } = await execa(launcher, ['exec', '-i', 'main', 'cat'], {
    env: environment(daemon),
    input,
    encoding: 'buffer',
    maxBuffer: input.length + 1,
  });
  expect(Buffer.compare(back, input)).toBe(0);
});

test('gives the command a terminal of our size that follows ours', async ({ daemon, busybox }) => {
  await runMain(daemon, busybox);
  // What the outer shell does later changes the size of the terminal that gantry is on.
  const command = `stty rows 31 columns 97; (sleep 1.5; stty rows 40 columns 120 < /dev/tty) &
    ${launcher} exec -it main sh; echo "ended with $?"`;
  const terminal = execa('script', ['-qec', `bash -c '${command}'`, '/dev/null'], {
    env: { ...environment(daemon), TERM: 'xterm' },
    reject: false,
  });
  let seen = '';
  terminal.stdout.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
  });
  const type = (line: string) => terminal.stdin.write(`${line}\r`);
  await eventually('the prompt comes', () => seen.includes('# '));
  type('while sleep 0.2; do stty size; done');
  await eventually('it has our size', () => seen.includes('31 97'));
  await eventually('it follows ours', () => seen.includes('40 120'));
  // Ctrl-C is for the command, and not for gantry.
  terminal.stdin.write('\u0003');
  type('echo still $((40 + 2))');
  await eventually('the shell goes on', () => seen.includes('still 42'));
  type('exit 7');
  await terminal;
  expect(seen).toContain('ended with 7');
});

test('ends on Ctrl-C where the command does not get our keys', async ({ daemon, busybox }) => {
  await runMain(daemon, busybox);
  const command = `stty rows 31 columns 97;
    ${launcher} exec -t main sh -c "sleep 0.3; stty size; sleep 1000"; echo "ended with $?"`;
  const terminal = execa('script', ['-qec', `bash -c '${command}'`, '/dev/null'], {
    env: { ...environment(daemon), TERM: 'xterm' },
    reject: false,
    timeout: 20_000,
  });
  let seen = '';
  terminal.stdout.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
  });
  await eventually('it has our size', () => seen.includes('31 97'));
  terminal.stdin.write('\u0003');
  expect(await terminal).toMatchObject({ timedOut: false });
});

test.for([
  [['exec', 'main', 'no-such-program'], 1, 'no-such-program'],
  [['exec', 'main'], 2, '"gantry exec [-i] [-t] CONTAINER [--] COMMAND [ARG...]" does not go'],
] as const)('says why %j cannot be', async ([args, exitCode, message], { daemon, busybox }) => {
  await runMain(daemon, busybox);
  const outcome = await gantryOutcome(daemon.place, ...args);
  expect(outcome).toMatchObject({ exitCode, stdout: '' });
  expect(outcome.stderr).toMatch(/^gantry: .+$(?!\n.)/m);
  expect(outcome.stderr).toContain(message);
});

test('ends, with its command, when nobody reads any more', async ({ daemon, busybox }) => {
  await runMain(daemon, busybox);
  const script = `${launcher} exec main yes | head -1`;
  const { stdout } = await execa('bash', ['-c', script], { env: environment(daemon) });
  expect(stdout).toBe('y');
  await eventually('the command has ended', async () => {
    const { stdout: left } = await execa(launcher, ['exec', 'main', 'ps'], {
      env: environment(daemon),
    });
    return left.split('\n').every((line) => !line.endsWith(' yes'));
  });
});

test('waits in silence for who reads its output', async ({ daemon, busybox }) => {
  await runMain(daemon, busybox);
  const script = `${launcher} exec main head -c 50000000 /dev/zero | (sleep 1; wc -c)`;
  const options = { env: environment(daemon) };
  expect(await execa('bash', ['-c', script], options)).toMatchObject({
    stdout: '50000000',
    stderr: '',
  });
});

test('says so when its output cannot be written', async ({ daemon, busybox }) => {
  await runMain(daemon, busybox);
  for (const args of ['exec main echo', 'ps']) {
    const script = `${launcher} ${args} > /dev/full`;
    const options = { env: environment(daemon), reject: false };
    expect(await execa('bash', ['-c', script], options)).toMatchObject({
      exitCode: 1,
      stderr: 'gantry: write the output: ENOSPC: no space left on device, write',
    });
  }
});

test('says so when the container has ended', async ({ daemon, busybox }) => {
  const containerId = await runMain(daemon, busybox);
  await daemon.cri.stopContainer({ containerId });
  const outcome = await gantryOutcome(daemon.place, 'exec', 'main', 'true');
  expect(outcome).toMatchObject({ exitCode: 1, stdout: '' });
  expect(outcome.stderr).toContain('it is exited');
});
