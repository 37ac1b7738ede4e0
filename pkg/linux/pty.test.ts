import { once } from 'node:events';
import { expect, it } from 'vitest';
import { startChild } from './child.ts';
import { openPty, resizeTerminalOf } from './pty.ts';

function startShell(script: string, path: string) {
  const env = { PATH: '/usr/bin:/bin' };
  return startChild({ path: '/bin/sh', args: ['-c', script], env, stdio: [path, path, path] });
}

/** What is written until nobody has the terminal any more, which shows as an error. */
async function outputOf(output: NodeJS.ReadableStream): Promise<string> {
  let written = '';
  output.on('data', (chunk: Buffer) => (written += chunk.toString('latin1')));
  await once(output, 'close').catch(() => once(output, 'close'));
  return written;
}

it('is the controlling terminal of the program, which passes bytes on as they are', async () => {
  using pty = openPty();
  pty.resize({ columns: 77, rows: 33 });
  const output = outputOf(pty.output);
  const child = startShell('read line </dev/tty; echo "$line"; stty size', pty.path);
  pty.input.write('hello\n');
  expect(await child.ended).toBe(0);
  expect(await output).toBe('hello\n33 77\n');
});

it('tells the program of a new size', async () => {
  using pty = openPty();
  const output = outputOf(pty.output);
  const script = 'trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.01; done';
  const child = startShell(script, pty.path);
  await once(pty.output, 'data');
  pty.resize({ columns: 100, rows: 50 });
  await child.ended;
  expect(await output).toBe('ready\n50 100\n');
});

it('hangs up on the program when it is closed', async () => {
  const pty = openPty();
  const child = startShell('echo ready; sleep 1000; true', pty.path);
  await once(pty.output, 'data');
  pty[Symbol.dispose]();
  expect(await child.ended).toBe(128 + 1);
});

it('does not block on a program that does not read', async () => {
  using pty = openPty();
  const child = startShell('echo ready; read line', pty.path);
  await once(pty.output, 'data');
  expect(pty.input.write(Buffer.alloc(1 << 20, 'x'))).toBe(false);
  pty[Symbol.dispose]();
  await child.ended;
});

it('resizes the terminal of another process, and leaves alone what is none', async () => {
  using pty = openPty();
  const output = outputOf(pty.output);
  const script = 'trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.01; done';
  const child = startShell(script, pty.path);
  await once(pty.output, 'data');
  resizeTerminalOf(child.pid, { columns: 99, rows: 44 });
  await child.ended;
  expect(await output).toBe('ready\n44 99\n');
  // Of one that has ended, and of one without a terminal.
  const without = startChild({ path: '/bin/cat', args: [], env: {}, stdio: [] });
  for (const { pid } of [child, without]) {
    expect(() => resizeTerminalOf(pid, { columns: 1, rows: 1 })).not.toThrow();
  }
  await without.ended;
});
