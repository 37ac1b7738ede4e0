import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

/** In mounts of its own: others on this machine may read theirs in another way. */
const script = `
  import { mkdirSync, readFileSync } from 'node:fs';
  import { mountFilesystem, mountPointsUnder, mountTmpfs } from ${JSON.stringify(import.meta.resolve('./mount.ts'))};
  const [, root] = process.argv;
  mountTmpfs(root, { sizeBytes: 2 ** 20, mode: 0o700 });
  const lowers = Array.from({ length: 140 }, (_, n) => root + '/' + 'long'.repeat(20) + n);
  for (const folder of [...lowers, root + '/all']) mkdirSync(folder);
  const options = ['lowerdir=' + lowers.join(':')];
  mountFilesystem({ type: 'overlay', source: 'overlay', options }, root + '/all');
  for (const n of [1, 2, 3]) console.log(mountPointsUnder(root).length);`;

it('the mounts of a node are read where one of them has a hundred layers', () => {
  const root = mkdtempSync(join(tmpdir(), 'gantry-read-'));
  const node = [process.execPath, '--input-type=module', '--eval', script, root];
  const said = execFileSync('unshare', ['--mount', ...node], { encoding: 'utf8' });
  rmdirSync(root);
  expect(said).toBe('2\n2\n2\n');
});
