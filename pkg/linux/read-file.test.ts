import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-read-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Makes many mounts, then one of many layers, and reads what is mounted. */
const script = `
  import { mkdirSync } from 'node:fs';
  import { bindMount, mountFilesystem, mountPointsUnder } from '${import.meta.dirname}/mount.ts';
  const folders = (name, count) =>
    Array.from({ length: count }, (_, n) => process.cwd() + '/a-folder-with-a-long-name-for/' + name + '/' + n);
  const [places, lowers] = [folders('the-place-of-a-mount', 600), folders('a-layer-of-many', 150)];
  for (const path of [...places, ...lowers, 'top']) mkdirSync(path, { recursive: true });
  for (const place of places) bindMount(place, place);
  const options = ['lowerdir=' + lowers.join(':')];
  mountFilesystem({ type: 'overlay', source: 'overlay', options }, 'top');
  for (let n = 0; n < 20; n += 1) mountPointsUnder('.');
  console.log(mountPointsUnder('.').length);`;

it('reads what is mounted also where one mount of many has a hundred layers', () => {
  const node = [process.execPath, '--input-type=module', '-e', script];
  const output = execFileSync('unshare', ['--mount', '--propagation', 'private', ...node], {
    cwd: folder,
    encoding: 'utf8',
  });
  expect(output).toBe('601\n');
});
