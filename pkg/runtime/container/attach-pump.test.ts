import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, onTestFinished, test } from 'vitest';
import { AttachPump } from './attach-pump.ts';

/** Where there is no monitor. */
function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-attach-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

const openFiles = () => readdirSync('/proc/self/fd').length;

test('says which monitor is not there, and keeps nothing open', async () => {
  const folder = emptyFolder();
  const pump = new AttachPump();
  const streams = { stdin: true, stdout: true, stderr: true };
  const wish = { containerId: 'a', folder, stdinOnce: false, ...streams, input: undefined };
  const error = `connect(${folder}/attach): ENOENT`;
  await expect(pump.attach(wish)).rejects.toThrow(error);
  const before = openFiles();
  for (let n = 0; n < 20; n += 1) await expect(pump.attach(wish)).rejects.toThrow(error);
  await expect.poll(openFiles).toBeLessThanOrEqual(before);
  await pump.close();
  await expect(pump.attach(wish)).rejects.toThrow('the daemon is ending');
});

const ends = {
  'an error that nobody catches': ["throw new Error('boom')", 1],
  'an exit': ['process.exit(3)', 3],
};
for (const [what, [statement, exitCode]] of Object.entries(ends)) {
  test(`the thread does not hold up a process that ends with ${what}`, async () => {
    const script = `import { AttachPump } from '#runtime/container/attach-pump.ts';
      const streams = { stdin: true, stdout: true, stderr: true };
      const wish = { containerId: 'a', folder: '${emptyFolder()}', stdinOnce: false, ...streams };
      const forever = setInterval(() => {}, 1000);
      await new AttachPump().attach(wish).catch(() => {});
      setImmediate(() => { ${statement}; });`;
    const args = ['--no-concurrent-sparkplug', '--input-type=module-typescript', '--eval', script];
    const result = await execa('node', args, { reject: false, timeout: 20_000 });
    expect(result.exitCode).toBe(exitCode);
  });
}
