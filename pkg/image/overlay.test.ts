import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mountFilesystem, unmount } from '#linux/mount.ts';
import { createLog } from '#log/log.ts';
import { type Database, openDatabase } from '#store/database.ts';
import { OverlaySnapshotter } from './overlay.ts';
import { Trash } from './trash.ts';

const log = createLog('error');
const never = new AbortController().signal;
let root: string;
let database: Database;
let trash: Trash;
let synced: string[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gantry-overlay-'));
  database = openDatabase(':memory:');
  trash = new Trash(join(root, 'trash'), { log, workerIdleMs: 60_000 });
  synced = [];
});
afterEach(async () => {
  await trash.close();
  database.close();
  rmSync(root, { recursive: true });
});

async function noteSync(directory: string): Promise<void> {
  synced.push(directory);
}

/** As the daemon opens it in the given boot of the machine. */
function open(bootId = 'first boot'): OverlaySnapshotter {
  return new OverlaySnapshotter({ root, database, log, trash, bootId, sync: noteSync });
}

async function commit(snapshots: OverlaySnapshotter, chainId: string, parent?: string) {
  const directory = await snapshots.begin();
  writeFileSync(join(directory, chainId), '');
  snapshots.commit(directory, { chainId, parent, usage: { usedBytes: 4096, inodes: 1 } });
  return directory;
}

it('stacks snapshots up, the nearest first', async () => {
  const snapshots = open();
  const a = await commit(snapshots, 'a');
  const b = await commit(snapshots, 'b', 'a');
  expect(snapshots.directoriesOf('b')).toEqual([b, a]);
  expect(snapshots.usage()).toEqual({ usedBytes: 8192, inodes: 2 });
  expect(statSync(a).mode & 0o7777).toBe(0o755);
  expect(() => snapshots.directoriesOf('c')).toThrow(
    expect.objectContaining({ code: 'not-found' }),
  );
});

it('refuses a snapshot before the one below it', async () => {
  const snapshots = open();
  await expect(commit(snapshots, 'b', 'a')).rejects.toThrow('before the one below it');
  expect(snapshots.has('b')).toBe(false);
});

it('keeps what is needed, across a restart, and sweeps what was not committed', async () => {
  const snapshots = open();
  for (const chainId of ['a', 'b', 'c']) await commit(snapshots, chainId);
  const begun = await snapshots.begin();
  snapshots.keepOnly(new Set(['b']));
  const again = open();
  expect(['a', 'b', 'c'].filter((chainId) => again.has(chainId))).toEqual(['b']);
  expect(readdirSync(join(root, 'snapshots')).length).toBe(1);
  expect(existsSync(begun)).toBe(false);
  expect(again.directoriesOf('b')).not.toContain(await again.begin());
});

it('throws away after a restart of the machine what had not been synced', async () => {
  const snapshots = open();
  await commit(snapshots, 'synced');
  await snapshots.persist(never);
  await commit(open(), 'torn');
  const rebooted = open('second boot');
  expect(['synced', 'torn'].map((chainId) => rebooted.has(chainId))).toEqual([true, false]);
});

it('syncs only when there is something to sync', async () => {
  const snapshots = open();
  await snapshots.persist(never);
  await commit(snapshots, 'a');
  await snapshots.persist(never);
  await snapshots.persist(never);
  expect(synced).toEqual([join(root, 'snapshots')]);
});

function upperOf(options: readonly string[]): string {
  return options.find((option) => option.startsWith('upperdir='))?.slice('upperdir='.length) ?? '';
}

it('makes a writable layer anew after a restart of the machine, not of the daemon', async () => {
  await commit(open(), 'a');
  await open().persist(never);
  const upper = upperOf((await open().prepare('c1', 'a')).options);
  writeFileSync(join(upper, 'written'), '');
  expect(upperOf((await open().prepare('c1', 'a')).options)).toBe(upper);
  expect(readdirSync(upper)).toEqual(['written']);
  await open('second boot').prepare('c1', 'a');
  expect(readdirSync(upper)).toEqual([]);
});

it('mounts as many layers as images can have', async () => {
  const snapshots = open();
  let below: string | undefined;
  for (let n = 0; n < 128; n++) {
    await commit(snapshots, `layer-${n}`, below);
    below = `layer-${n}`;
  }
  const target = join(root, 'target');
  mkdirSync(target);
  mountFilesystem(await snapshots.prepare('c1', below), target);
  try {
    expect(readdirSync(target).length).toBe(128);
  } finally {
    unmount(target);
  }
});

it('refuses a root that overlayfs would misread', () => {
  root = join(root, 'a:b');
  mkdirSync(root);
  expect(() => open()).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  root = join(root, '..');
});
