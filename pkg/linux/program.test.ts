import { execa } from 'execa';
import { expect, it } from 'vitest';
import { runProgram } from './program.ts';

const timeoutMs = 10_000;

it('returns what the program wrote', async () => {
  expect(await runProgram('/bin/echo', ['hello'], { timeoutMs })).toBe('hello\n');
});

it('gives it input, also more than a pipe holds', async () => {
  const input = 'x'.repeat(300_000);
  expect(await runProgram('/bin/cat', [], { timeoutMs, input })).toBe(input);
});

it('reports what it said, and its status', async () => {
  const failing = runProgram('/bin/sh', ['-c', 'echo out; echo no luck >&2; exit 4'], {
    timeoutMs,
  });
  await expect(failing).rejects.toMatchObject({ message: '/bin/sh -c: no luck', exitCode: 4 });
});

it('kills it, and what it started, when it gives no answer', async () => {
  const failing = runProgram('/bin/sh', ['-c', 'sleep 54321 & wait'], { timeoutMs: 100 });
  await expect(failing).rejects.toMatchObject({ message: '/bin/sh -c: no answer within 100 ms' });
});

it('keeps a process that waits for nothing else alive until it is killed', async () => {
  const script = `
    import { runProgram } from ${JSON.stringify(import.meta.resolve('./program.ts'))};
    await runProgram('/bin/sleep', ['100'], { timeoutMs: 100 }).catch(({ message }) => console.log(message));`;
  const { stdout } = await execa('node', ['--input-type=module', '--eval', script]);
  expect(stdout).toBe('/bin/sleep 100: no answer within 100 ms');
});
