import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { identifyProcess } from '#linux/process.ts';
import type { Engine } from '#runtime/engine.ts';
import { ExitWatch } from './exit.ts';

let folder = '';
let exits: ExitWatch;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-exits-'));
  exits = new ExitWatch();
});
afterEach(() => {
  exits.close();
  rmSync(folder, { recursive: true });
});

it('goes on by looking where the kernel does not let it watch', async () => {
  const init = { pid: process.pid, startTime: 1 };
  const put = vi.fn<(sandbox: object) => void>();
  const error = vi.fn<(fields: object, message: string) => void>();
  const engine = {
    layout: { exits: join(folder, 'absent') },
    containers: { all: () => [] },
    sandboxes: { all: () => [{ id: 'x', state: 'ready', init }], putEnd: put },
    log: { error, warn: () => {} },
  } as unknown as Engine;
  exits.open(engine);
  expect(error).toHaveBeenCalledWith(
    { error: expect.any(Error) },
    expect.stringContaining('fs.inotify.max_user_instances'),
  );
  // An end that nothing tells of: another process has the pid of an init by now.
  expect(identifyProcess(init.pid)?.startTime).not.toBe(init.startTime);
  await vi.waitFor(() => expect(put).toHaveBeenCalled(), 5_000);
});
