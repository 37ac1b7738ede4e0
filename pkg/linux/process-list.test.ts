import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { commandLine, descendantsOf } from './process-list.ts';

it('finds the children of children, by what they were started as', async () => {
  const shell = spawn('sh', ['-c', 'sh -c "sleep 76543 & echo; wait" & wait'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const { pid } = shell;
  if (pid === undefined) throw new Error('a started process has a pid');
  try {
    await once(shell.stdout, 'data');
    const commands = descendantsOf(pid).map((process) => commandLine(process.pid));
    expect(commands).toContainEqual(['sleep', '76543']);
    expect(descendantsOf(process.pid).map((each) => each.pid)).toContain(pid);
  } finally {
    process.kill(-pid, 'SIGKILL');
    await once(shell, 'exit');
  }
  expect(descendantsOf(pid)).toEqual([]);
});
