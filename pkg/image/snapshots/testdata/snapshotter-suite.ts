import { afterEach, beforeEach, describe } from 'vitest';
import type { SnapshotKind } from '#image/snapshots/backend.ts';
import { Bench } from './bench.ts';
import { btrfsDisk, btrfsMissing, type Disk, overlayDisk, plainDisk } from './disks.ts';

/** Runs tests of what every kind of snapshotter has to do alike, on each kind. */
export function snapshotterSuite(suite: (bench: () => Bench) => void): void {
  describe('overlay', () => suite(benchOn('overlay', plainDisk)));
  describe('native', () => suite(benchOn('native', plainDisk)));
  describe('native on an overlay', () => suite(benchOn('native', overlayDisk)));
  describeOnBtrfs('btrfs', () => suite(benchOn('btrfs', btrfsDisk)));
}

/** Says why where there is no btrfs to test on. */
export function describeOnBtrfs(name: string, suite: () => void): void {
  const missing = btrfsMissing();
  const why = missing === undefined ? '' : ` (skipped: ${missing})`;
  describe.skipIf(missing)(name + why, suite);
}

/** To be called where tests are described: gives each of them a bench of its own. */
export function benchOn(kind: SnapshotKind, makeDisk: () => Disk): () => Bench {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench(kind, makeDisk());
  });
  afterEach(() => bench[Symbol.asyncDispose]());
  return () => bench;
}
