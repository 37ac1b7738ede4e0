import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeSubvolume } from '#linux/btrfs.ts';
import { mountPointsUnder, mountTmpfs } from '#linux/mount.ts';
import { Bench } from './testdata/bench.ts';
import { btrfsDisk, fewInodesDisk, overlayDisk, plainDisk } from './testdata/disks.ts';
import { benchOn, describeOnBtrfs } from './testdata/snapshotter-suite.ts';

const large = { name: 'large', content: Buffer.alloc(16 << 20, 'gantry') };
const small = { name: 'small', content: 'small' };

function bytesOnDisk(path: string): number {
  const [kibibytes] = execFileSync('du', ['-s', '-k', path], { encoding: 'utf8' }).split('\t');
  return Number(kibibytes) * 1024;
}

describe('overlay', () => {
  const bench = benchOn('overlay', plainDisk);

  it('leaves nothing of its check behind, also when one was interrupted', () => {
    const check = join(bench().root, 'overlay-check');
    mkdirSync(join(check, 'target'), { recursive: true });
    mountTmpfs(join(check, 'target'), { sizeBytes: 4096, mode: 0o700 });
    bench().restartDaemon();
    expect(mountPointsUnder(bench().root)).toEqual([]);
    expect(existsSync(check)).toBe(false);
  });

  it('refuses a root that overlayfs would misread', () => {
    using disk = plainDisk();
    const path = join(disk.path, 'a:b');
    mkdirSync(path);
    const open = () => new Bench('overlay', { path, [Symbol.dispose]: () => {} });
    expect(open).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });

  it('refuses a root on which overlayfs does not work, and says what does', () => {
    using disk = overlayDisk();
    const open = () => new Bench('overlay', disk);
    expect(open).toThrow('set image.snapshotter to "native"');
  });

  it('opens on a disk that is full', async () => {
    await using full = new Bench('overlay', fewInodesDisk());
    const fill = (): void => {
      for (let n = 0; ; n++) writeFileSync(join(full.scratch, `${n}`), '');
    };
    expect(fill).toThrow('ENOSPC');
    full.restartDaemon();
  });

  it('refuses the snapshots of other kinds, and leaves them alone', async () => {
    const top = await bench().stack('chain', [small]);
    expect(() => bench().open('native')).toThrow(/is "native", but ".*" has .* kind "overlay"/);
    expect(await bench().seen(top)).toEqual({ small: 'small' });
  });
});

describe('native', () => {
  const bench = benchOn('native', plainDisk);

  it('takes on the disk what it says', async () => {
    await bench().stack('chain', [large, small], [{ name: 'more', content: 'more' }]);
    const { usedBytes } = bench().snapshots.usage();
    expect(usedBytes).toBeGreaterThan(2 * large.content.length);
    expect(Math.abs(usedBytes - bytesOnDisk(join(bench().root, 'snapshots')))).toBeLessThan(65_536);
  });
});

describeOnBtrfs('native on a btrfs', () => {
  const bench = benchOn('native', btrfsDisk);

  it('shares the content of files among copies', async () => {
    const top = await bench().stack('chain', [large], [small]);
    await bench().snapshots.prepare('c1', top);
    execFileSync('sync', ['-f', bench().root]);
    const { blocks, bfree, bsize } = statfsSync(bench().root);
    expect((blocks - bfree) * bsize).toBeLessThan(2 * large.content.length);
    const copy = readFileSync(join(bench().root, 'containers/c1/fs/large'));
    expect(copy.equals(large.content)).toBe(true);
  });
});

describeOnBtrfs('btrfs', () => {
  const bench = benchOn('btrfs', btrfsDisk);

  function subvolumes(): string[] {
    const { root } = bench();
    const list = execFileSync('btrfs', ['subvolume', 'list', root], { encoding: 'utf8' });
    return list.split('\n').filter(Boolean);
  }

  it('has one subvolume for each layer and each container, and none of what is gone', async () => {
    const top = await bench().stack('chain', [large], [small], [small]);
    await bench().snapshots.prepare('c1', top);
    await bench().emptied();
    expect(subvolumes()).toHaveLength(4);
    makeSubvolume(join(bench().root, 'containers/c1/fs/nested'));
    bench().snapshots.release('c1');
    bench().snapshots.keepOnly(new Set());
    await bench().emptied();
    expect(subvolumes()).toEqual([]);
  });

  it('counts what a layer adds', async () => {
    await bench().stack('chain', [large], [small]);
    const usedBytes = large.content.length + 4096;
    expect(bench().snapshots.usage()).toEqual({ usedBytes, inodes: 2 });
  });

  it('refuses a root on another filesystem', () => {
    using disk = plainDisk();
    expect(() => new Bench('btrfs', disk)).toThrow('is on another filesystem');
  });
});
