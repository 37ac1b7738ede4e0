import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { tarArchive } from '#image/testdata/tar-archive.ts';
import { contentsOf } from './testdata/bench.ts';
import { snapshotterSuite } from './testdata/snapshotter-suite.ts';

const never = new AbortController().signal;
const file = (name: string, content = name) => ({ name, content });
const nothing: ReadonlySet<string> = new Set();

snapshotterSuite((bench) => {
  const namesIn = (folder: string): string[] => readdirSync(join(bench().root, folder));
  const there = (...chainIds: string[]): string[] =>
    chainIds.filter((chainId) => bench().snapshots.has(chainId));

  it('unpacks layers in any order, and refuses to commit one before the one below', async () => {
    const upper = await bench().unpack(tarArchive([file('.wh.g'), file('h')]));
    const layer = { ...upper, chainId: 'upper', parent: 'below-0' };
    const commit = () => bench().snapshots.commit(upper.directory, layer, never);
    await expect(commit()).rejects.toThrow('before the one below it');
    expect(there('upper')).toEqual([]);
    await bench().stack('below', [file('g'), file('i')]);
    await commit();
    expect(await bench().seen('upper')).toEqual({ h: 'h', i: 'i' });
  });

  it('leaves nothing of a commit that was stopped', async () => {
    await bench().stack('below', [file('g')]);
    const { directory, extracted } = await bench().unpack(tarArchive([file('h')]));
    const layer = { chainId: 'stopped', parent: 'below-0', extracted };
    const stopped = bench().snapshots.commit(directory, layer, AbortSignal.abort());
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' });
    bench().snapshots.abandon(directory);
    expect(there('stopped')).toEqual([]);
    expect(namesIn('snapshots')).toHaveLength(1);
    await bench().emptied();
  });

  it('counts each snapshot once it is there, and no more when it is gone', async () => {
    const usage = () => bench().snapshots.usage();
    const large = file('d/a', 'x'.repeat(5000));
    await bench().stack('large', [large, { name: 'l', type: '2', linkName: 'd' }]);
    const one = { usedBytes: 4096 + 8192, inodes: 3 };
    expect(usage()).toEqual(one);
    await bench().stack('small', [file('b')]);
    const two = { usedBytes: one.usedBytes + 4096, inodes: 4 };
    expect(usage()).toEqual(two);
    bench().restartDaemon();
    expect(usage()).toEqual(two);
    bench().snapshots.keepOnly(new Set(['large-0']));
    expect(usage()).toEqual(one);
    await bench().snapshots.prepare('c1', 'large-0');
    expect(usage()).toEqual(one);
  });

  it('keeps what is needed, across a restart, and sweeps what was not committed', async () => {
    for (const name of ['a', 'b', 'c']) await bench().stack(name, [file(name)]);
    await bench().snapshots.begin(never);
    bench().snapshots.keepOnly(new Set(['b-0']));
    bench().restartDaemon();
    expect(there('a-0', 'b-0', 'c-0')).toEqual(['b-0']);
    expect(namesIn('snapshots')).toHaveLength(1);
    await bench().stack('d', [file('d')]);
    expect(await bench().seen('b-0')).toEqual({ b: 'b' });
    expect(await bench().seen('d-0')).toEqual({ d: 'd' });
    await bench().emptied();
  });

  it('forgets a snapshot whose directory is gone', async () => {
    await bench().stack('a', [file('a')]);
    rmSync(join(bench().root, 'snapshots'), { recursive: true });
    bench().restartDaemon();
    expect(there('a-0')).toEqual([]);
  });

  it('throws away after a restart of the machine what had not been synced, and only that', async () => {
    await bench().stack('synced', [file('a')]);
    await bench().snapshots.persist(never);
    await bench().snapshots.persist(never);
    expect(bench().calls.filter((name) => name === 'sync')).toHaveLength(1);
    await bench().stack('torn', [file('b')]);
    bench().restartMachine();
    expect(there('synced-0', 'torn-0')).toEqual(['synced-0']);
    expect(await bench().seen('synced-0')).toEqual({ a: 'a' });
  });

  it('makes the root of a container anew after a restart of the machine, not of the daemon', async () => {
    const container = { id: 'c1', top: await bench().stack('chain', [file('a')]) };
    await bench().snapshots.persist(never);
    await bench().inContainer(container, (root) => writeFileSync(join(root, 'mine'), 'mine'));
    bench().restartDaemon();
    expect(await bench().inContainer(container, contentsOf)).toEqual({ a: 'a', mine: 'mine' });
    bench().restartMachine();
    expect(await bench().inContainer(container, contentsOf)).toEqual({ a: 'a' });
  });

  it('makes the root of a container anew when the daemon was killed at it', async () => {
    const container = { id: 'c1', top: await bench().stack('chain', [file('a')]) };
    await bench().inContainer(container, (root) => writeFileSync(join(root, 'mine'), 'mine'));
    // What is written last.
    rmSync(join(bench().root, 'containers/c1/boot-id'));
    expect(await bench().inContainer(container, contentsOf)).toEqual({ a: 'a' });
  });

  it('refuses to make a container of a snapshot that is not there', async () => {
    const prepared = bench().snapshots.prepare('c1', 'unknown');
    await expect(prepared).rejects.toMatchObject({ code: 'not-found' });
  });

  it('leaves nothing behind when all is released', async () => {
    const top = await bench().stack('chain', [file('g'), file('h')], [file('.wh.g')]);
    const { snapshots } = bench();
    for (const id of ['c1', 'c2', 'c3']) await snapshots.prepare(id, top);
    snapshots.release('c1');
    snapshots.release('c1');
    snapshots.keepOnlyContainers(new Set(['c2']));
    expect(namesIn('containers')).toEqual(['c2']);
    snapshots.keepOnlyContainers(nothing);
    snapshots.keepOnly(nothing);
    expect([...namesIn('containers'), ...namesIn('snapshots')]).toEqual([]);
    expect(snapshots.usage()).toEqual({ usedBytes: 0, inodes: 0 });
    await bench().emptied();
  });
});
