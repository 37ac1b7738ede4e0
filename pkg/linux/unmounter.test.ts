import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mountPointsUnder, mountTmpfs, unmountUnder } from './mount.ts';
import { openSystemThread, type SystemThread } from './system-thread.ts';
import { Unmounter } from './unmounter.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gantry-unmounter-'));
});
afterEach(() => {
  unmountUnder([root]);
  rmSync(root, { recursive: true });
});

it('Unmounter serves many at once, and detaches what is below each, and no more', async () => {
  const dirs = Array.from({ length: 20 }, (_, index) => join(root, `${index}`));
  for (const dir of [...dirs, join(root, 'other')]) {
    mkdirSync(join(dir, 'in'), { recursive: true });
    mountTmpfs(join(dir, 'in'), { sizeBytes: 4096, mode: 0o700 });
  }
  const thread = openSystemThread();
  const orders: unknown[] = [];
  const counting: SystemThread = {
    ...thread,
    run: (name, argument) => {
      orders.push(argument);
      return thread.run(name, argument);
    },
  };
  const unmounter = new Unmounter(counting);
  await Promise.all([...dirs, join(root, 'missing')].map((dir) => unmounter.unmountUnder(dir)));
  expect(mountPointsUnder(root)).toEqual([join(root, 'other', 'in')]);
  expect(orders.length).toBe(2);
  await unmounter.unmountUnder(join(root, 'other'));
  expect(mountPointsUnder(root)).toEqual([]);
  await thread.close();
  await expect(unmounter.unmountUnder(root)).rejects.toThrow('the system thread is closed');
});
