import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hasController, kinds, type OwnCgroup, ownCgroup } from './kernel-fixture.ts';

const mib = 1 << 20;

describe.each(kinds)('watching cgroup %s', (_, kind) => {
  let own: OwnCgroup;

  beforeEach(async () => {
    own = await ownCgroup(kind);
  });

  afterEach(() => own[Symbol.asyncDispose]());

  // v2 gets no chance to poll: a notice that does not come would be missed.
  const options = { pollIntervalMs: kind.mode === 'unified' ? 1e6 : 20 };

  it('tells when processes come and go, and ends with the cgroup', async () => {
    const states = own.cgroupfs.watch(own.path, options);
    expect((await states.next()).value).toEqual({ isPopulated: false, oomKills: 0 });
    const child = await own.start(own.path, 'read go');
    expect((await states.next()).value).toEqual({ isPopulated: true, oomKills: 0 });
    child.stdin.end('go\n');
    expect((await states.next()).value).toEqual({ isPopulated: false, oomKills: 0 });
    const last = states.next();
    await own.cgroupfs.remove(own.path);
    expect(await last).toEqual({ done: true, value: undefined });
  });

  it('tells of changes while nobody asked', async () => {
    const states = own.cgroupfs.watch(own.path, options);
    await states.next();
    await own.start(own.path, 'exec sleep 1000');
    await own.cgroupfs.create(`${own.path}/below`);
    expect((await states.next()).value).toMatchObject({ isPopulated: true });
    await states.return();
  });

  it.runIf(hasController(kind, 'memory'))(
    'tells of processes killed for want of memory',
    async () => {
      const memory = { limitBytes: 16 * mib, memoryAndSwapBytes: 16 * mib };
      await own.cgroupfs.setLimits(own.path, { memory });
      const child = await own.start(own.path, 'read go; tail /dev/zero; read go');
      const states = own.cgroupfs.watch(own.path, options);
      expect((await states.next()).value).toEqual({ isPopulated: true, oomKills: 0 });
      child.stdin.write('go\n');
      expect((await states.next()).value).toEqual({ isPopulated: true, oomKills: 1 });
      child.stdin.end('go\n');
      await once(child, 'exit');
      expect((await states.next()).value).toEqual({ isPopulated: false, oomKills: 1 });
      await states.return();
    },
  );

  it('ends with the reason of its signal', async () => {
    const abort = new AbortController();
    const states = own.cgroupfs.watch(own.path, { ...options, signal: abort.signal });
    await states.next();
    const waiting = states.next();
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(own.cgroupfs.watch(own.path, { signal: abort.signal }).next()).rejects.toThrow(
      'enough',
    );
  });

  it('ends at once when there is no such cgroup', async () => {
    const states = own.cgroupfs.watch(`${own.path}/gone`, options);
    expect(await states.next()).toEqual({ done: true, value: undefined });
  });
});
