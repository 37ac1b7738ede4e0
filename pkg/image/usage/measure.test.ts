import { execFileSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { measure } from './measure.ts';

let folder: string;
const never = () => false;

beforeEach(() => {
  folder = mkdtempSync('/var/tmp/gantry-measure-');
});

afterEach(() => rmSync(folder, { recursive: true }));

function du(...options: readonly string[]): number {
  return Number(
    execFileSync('du', ['-s', ...options, folder], { encoding: 'utf8' }).split('\t')[0],
  );
}

it('measure counts as du does: files with several names once, holes not at all', () => {
  mkdirSync(join(folder, 'deep/er'), { recursive: true });
  writeFileSync(join(folder, 'deep/er/file'), Buffer.alloc(1_000_000, 1));
  linkSync(join(folder, 'deep/er/file'), join(folder, 'again'));
  symlinkSync('/usr', join(folder, 'elsewhere'));
  writeFileSync(join(folder, 'sparse'), 'x');
  truncateSync(join(folder, 'sparse'), 1 << 30);
  writeFileSync(join(folder, Buffer.from('\xff\xfe', 'latin1').toString('latin1')), 'no UTF-8');
  const { usedBytes, inodes } = measure({ directory: folder }, never);
  expect(usedBytes).toBe(du('-B1'));
  expect(inodes).toBe(du('--inodes'));
  expect(inodes).toBe(7);
});

it('measure counts only what was changed later than a file', () => {
  const tree = join(folder, 'tree');
  const since = join(folder, 'since');
  mkdirSync(tree);
  writeFileSync(join(tree, 'old'), Buffer.alloc(100_000, 1));
  writeFileSync(since, '');
  expect(measure({ directory: tree, since }, never)).toMatchObject({ usedBytes: 0, inodes: 0 });
  // The kernel's clock for files goes in steps of some milliseconds.
  for (let tries = 0; measure({ directory: tree, since }, never).inodes < 2; tries++) {
    expect(tries).toBeLessThan(1_000_000);
    writeFileSync(join(tree, 'new'), Buffer.alloc(8192, 1));
    rmSync(join(tree, 'passing'), { force: true });
    writeFileSync(join(tree, 'passing'), '');
    rmSync(join(tree, 'passing'));
  }
  const { usedBytes } = measure({ directory: tree, since }, never);
  expect(usedBytes).toBeGreaterThanOrEqual(8192);
  expect(usedBytes).toBeLessThan(100_000);
});

it('measure goes down to where no path leads', () => {
  const half = Array.from({ length: 15 }, () => 'x'.repeat(200)).join('/');
  execFileSync('sh', ['-c', `mkdir -p ${half} && cd ${half} && mkdir -p ${half}`], { cwd: folder });
  expect(measure({ directory: folder }, never).inodes).toBe(31);
});

it('measure stops when nobody wants the result any more', () => {
  expect(() => measure({ directory: folder }, () => true)).toThrow(
    expect.objectContaining({ code: 'cancelled' }),
  );
});
